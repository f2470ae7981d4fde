import NIOCore
import NIOHTTP1
import Testing
import VerbatimAPI
import VerbatimJSON

@testable import VerbatimProxy
@testable import VerbatimHTTP

/// A transform that sends three events for one, as a translation between two APIs does.
private struct Tripling: ReplyTransform {
    private var parser: any ReplyTransform

    init(_ parser: any ReplyTransform) { self.parser = parser }

    var mayChangeReply: Bool { true }
    var edits: JSONEdits { JSONEdits() }
    var recognized: EngineProfile? { parser.recognized }
    var error: [UInt8]? { parser.error }
    var hasOutput: Bool { parser.hasOutput }

    mutating func use(_ profile: EngineProfile) { parser.use(profile) }
    func isTerminal(event: Span<UInt8>) -> Bool { parser.isTerminal(event: event) }
    func captured() -> Capture { parser.captured() }
    func ending(for expected: ExpectedReply, usage: EndingUsage) -> StreamEnding {
        parser.ending(for: expected, usage: usage)
    }

    mutating func read(event: Span<UInt8>) -> EventDisposition {
        let disposition = parser.read(event: event)
        return .replace(Self.events(event.count), isTerminal: disposition.isTerminal)
    }

    mutating func read(body: Span<UInt8>) -> BodyDisposition {
        _ = parser.read(body: body)
        return .replace(Array(#"{"translated":\#(body.count)}"#.utf8))
    }

    /// What goes out for an event of `length` bytes.
    static func events(_ length: Int) -> [[UInt8]] {
        (1...3).map { Array("event: part\ndata: \($0) of \(length)\n\n".utf8) }
    }

    static func text(_ event: String) -> String {
        events(event.utf8.count).map { String(decoding: $0, as: UTF8.self) }.joined()
    }
}

/// A request whose reply is tripled.
private struct TripledRequest: APIRequest {
    let request: any APIRequest

    var document: RequestDocument { request.document }
    var expectation: ExpectedReply { request.expectation }

    func prepared(
        policy: RequestPolicy, profile: EngineProfile, injectionLimits: InjectionLimits
    ) -> PreparedExchange {
        var exchange = request.prepared(policy: policy, profile: profile, injectionLimits: injectionLimits)
        exchange.reply = Tripling(exchange.reply)
        return exchange
    }
}

@Suite struct ReplyTransformTests {
    private let event = CapturedTurnDriver.event(1)
    private let done = CapturedTurnDriver.done

    private func reader() throws -> StreamReader {
        let request = try APIRegistry.request(to: .chatCompletions, body: Array(#"{"stream":true}"#.utf8))
        let exchange = TripledRequest(request: request)
            .prepared(policy: RequestPolicy(), profile: .vllm, injectionLimits: InjectionLimits())
        return StreamReader(reply: exchange.reply, maximumEventSize: 4096)
    }

    @Test func readerReplacesAnEventByThree() throws {
        var reader = try reader()
        reader.receive(ByteBuffer(string: event + done))
        guard let first = reader.next(), let last = reader.next() else {
            Issue.record("there are two events")
            return
        }
        #expect(first.disposition.isTerminal == false && last.disposition.isTerminal)
        #expect(String(buffer: last.edited) == Tripling.text(done))
        var output = ResponseWriter(request: ResponseWriter.Request(errorFormat: .openAI))
        output.head(status: 200, reason: "OK", headers: HTTPHeaders(), framing: .chunked)
        first.write(to: &output)
        let segments = output.take()
        let sent = (segments.front + [segments.last]).map { String(buffer: $0) }.joined()
        let parts = Tripling.events(event.utf8.count).map {
            CapturedTurnDriver.chunk(String(decoding: $0, as: UTF8.self))
        }
        #expect(sent.hasSuffix(parts.joined()))
        #expect(reader.captured().choices.map(\.tokenIDs.count) == [1])
    }

    /// The LF of a CRLF belongs to the event before it, which does not go out.
    @Test func lineFeedAfterAReplacedEventIsDropped() throws {
        var reader = try reader()
        reader.receive(ByteBuffer(string: event.replacing("\n\n", with: "\r\n\r")))
        let replaced = reader.next()?.disposition
        #expect(replaced?.keepsEvent == false)
        reader.receive(ByteBuffer(string: "\n"))
        let lineFeed = reader.next()?.disposition
        #expect(lineFeed == .drop)
    }

    @Test func bodyIsReplaced() throws {
        var reader = try reader()
        let body = ByteBuffer(string: CapturedTurnDriver.unaryBody)
        reader.read(body: body)
        #expect(
            reader.editedBody(of: body).map { String(buffer: $0) } == #"{"translated":\#(body.readableBytes)}"#)
    }

    @Test func turnSendsTheReplacementsAndRecordsTheEnginesReply() throws {
        let driver = try CapturedTurnDriver(isProven: true) { TripledRequest(request: $0) }
        driver.sendAttempt()
        var actions = [driver.head(), driver.body(event), driver.body(done)]
        #expect(actions == [.nothing, .nothing, .record(closesEngine: false)])
        let sentBefore = driver.takeSent()
        let parts = Tripling.events(event.utf8.count).map {
            CapturedTurnDriver.chunk(String(decoding: $0, as: UTF8.self))
        }
        #expect(sentBefore == CapturedTurnDriver.streamHead + parts.joined())
        #expect(driver.record?.description.contains(#""token_ids":[1]"#) == true)
        actions = [driver.on(.end), driver.on(.kept)]
        #expect(actions == [.nothing, .finish])
        let sentLast = driver.takeSent()
        #expect(sentLast == CapturedTurnDriver.chunk(Tripling.text(done)) + "0\r\n\r\n")
    }
}
