import NIOCore
import TestSupport
import Testing

@testable import verbatim_load

/// The check must report each kind of damage, and nothing else.
struct ReplyCheckTests {
    private static let head =
        "HTTP/1.1 200 OK\r\nserver: uvicorn\r\nx-request-id: load-7\r\n"
        + "content-type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"

    private static func spec(asks: Bool = false) -> TurnSpec {
        var spec = TurnSpec(id: 7)
        spec.events = 5
        spec.hasLogprobs = asks
        spec.hasTokenIDs = asks
        return spec
    }

    /// The chunks of the engine's reply. The last one includes the end of the body.
    private static func chunks(_ spec: TurnSpec) -> [String] {
        let script = StreamScript(spec, ReplyTemplates(.init(spec), isChunked: true), isChunked: true)
        return (0..<script.stepCount).map { step in
            var chunk = ByteBuffer()
            script.write(step: step, time: UInt64(1000 + step), into: &chunk)
            return String(buffer: chunk) + (step == script.stepCount - 1 ? "0\r\n\r\n" : "")
        }
    }

    private struct Seen {
        var check: ReplyCheck
        var times: [UInt64] = []
        var mismatch: Mismatch?
    }

    private static func check(_ text: String, _ spec: TurnSpec, pieces: Int = .max) -> Seen {
        var seen = Seen(check: ReplyCheck(spec, ReplyTemplates(.init(spec), isChunked: false)))
        var rest = ByteBuffer(string: text)
        while let piece = rest.readSlice(length: min(pieces, rest.readableBytes)), piece.readableBytes > 0 {
            do throws(Mismatch) {
                try seen.check.receive(piece) { seen.times.append($0) }
            } catch {
                seen.mismatch = error
                break
            }
        }
        return seen
    }

    @Test("An intact stream passes, however it is split", arguments: [false, true], [1, 2, 7, 100, Int.max])
    func wholeStream(asks: Bool, pieces: Int) {
        let spec = Self.spec(asks: asks)
        let seen = Self.check(Self.head + Self.chunks(spec).joined(), spec, pieces: pieces)
        #expect(seen.mismatch == nil)
        #expect(seen.check.isDone)
        #expect(seen.check.tokens == 5)
        #expect(seen.times == [1001, 1002, 1003, 1004, 1005])
    }

    @Test("A prefix of a stream is intact and incomplete")
    func prefixIsIntactAndIncomplete() {
        let spec = Self.spec(asks: true)
        let whole = Array((Self.head + Self.chunks(spec).joined()).utf8)
        for count in stride(from: 0, to: whole.count, by: 37) {
            let seen = Self.check(String(decoding: whole.prefix(count), as: UTF8.self), spec)
            #expect(seen.mismatch == nil)
            #expect(!seen.check.isDone)
        }
    }

    @Test("A lost event is found")
    func lostEvent() {
        let spec = Self.spec()
        var chunks = Self.chunks(spec)
        chunks.remove(at: 2)
        #expect(Self.check(Self.head + chunks.joined(), spec).mismatch == .order(expected: 2, got: 3))
    }

    @Test("A repeated event is found")
    func doubledEvent() {
        let spec = Self.spec()
        var chunks = Self.chunks(spec)
        chunks.insert(chunks[2], at: 3)
        #expect(Self.check(Self.head + chunks.joined(), spec).mismatch == .order(expected: 3, got: 2))
    }

    @Test("Events in another order are found")
    func eventsInAnotherOrder() {
        let spec = Self.spec()
        var chunks = Self.chunks(spec)
        chunks.swapAt(3, 4)
        #expect(Self.check(Self.head + chunks.joined(), spec).mismatch == .order(expected: 3, got: 4))
    }

    @Test("An event of another request is found")
    func eventOfAnotherRequest() {
        let spec = Self.spec()
        var other = spec
        other.id = 0xabc
        var chunks = Self.chunks(spec)
        chunks[3] = Self.chunks(other)[3]
        #expect(Self.check(Self.head + chunks.joined(), spec).mismatch == .foreign(request: "00000abc"))
    }

    @Test("A missing end is found")
    func lostTail() {
        let spec = Self.spec()
        let chunks = Self.chunks(spec).dropLast()
        let seen = Self.check(Self.head + chunks.joined() + "0\r\n\r\n", spec)
        #expect(seen.mismatch == .short(event: spec.events + 2))
    }

    @Test("Any changed byte is found")
    func anyOtherByte() {
        let spec = Self.spec(asks: true)
        let whole = Array((Self.head + Self.chunks(spec).joined()).utf8)
        var random = SeededGenerator(seed: 1)
        for _ in 0..<300 {
            var damaged = whole
            let place = random.int(Self.head.utf8.count...whole.count - 1)
            // Digits stay digits: in the time of an event any are right.
            damaged[place] = UInt8(ascii: damaged[place] == UInt8(ascii: "~") ? "!" : "~")
            let seen = Self.check(String(decoding: damaged, as: UTF8.self), spec)
            #expect(seen.mismatch != nil || !seen.check.isDone, "byte \(place)")
        }
    }

    @Test("Bytes after the end are found")
    func bytesAfterTheEndAreFound() {
        let spec = Self.spec()
        let seen = Self.check(Self.head + Self.chunks(Self.spec(asks: true)).joined(), spec)
        #expect(seen.mismatch != nil)
        let more = Self.check(Self.head + Self.chunks(spec).joined() + "HTTP/1.1 200 OK\r\n", spec)
        #expect(more.mismatch == .framing("17 bytes behind the reply"))
    }

    @Test("A whole reply is checked to its last byte")
    func wholeReply() {
        var spec = Self.spec(asks: true)
        spec.isStream = false
        var body = ByteBuffer()
        ReplyTemplates(.init(spec), isChunked: true).unary(spec, into: &body)
        let head =
            "HTTP/1.1 200 OK\r\nserver: uvicorn\r\nx-request-id: load-7\r\ncontent-type: application/json\r\n"
            + "content-length: \(body.readableBytes)\r\n\r\n"
        let text = head + String(buffer: body)
        let seen = Self.check(text, spec, pieces: 10)
        #expect(seen.mismatch == nil)
        #expect(seen.check.isDone)
        #expect(seen.check.tokens == 5)
        #expect(!Self.check(String(text.dropLast()), spec).check.isDone)
        let damaged = text.replacing("1000003", with: "1000002")
        #expect(Self.check(damaged, spec).mismatch != nil)
    }

    @Test("A reply to another request is found")
    func replyOfAnotherRequest() {
        let spec = Self.spec()
        let head = Self.head.replacing("load-7", with: "load-8")
        #expect(Self.check(head + "0\r\n\r\n", spec).mismatch == .header("x-request-id"))
    }

    @Test("Headers are not checked if that is turned off")
    func anyHeadersIfNoneAreWanted() throws {
        let spec = Self.spec()
        let head = Self.head.replacing("load-7", with: "8").replacing("uvicorn", with: "other")
        var check = ReplyCheck(spec, ReplyTemplates(.init(spec), isChunked: false), checksHeaders: false)
        try check.receive(ByteBuffer(string: head + Self.chunks(spec).joined())) { _ in }
        #expect(check.isDone)
    }
}
