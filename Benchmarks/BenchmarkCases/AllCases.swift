import VerbatimJSON
import VerbatimSchema
import VerbatimTrace
import VerbatimAPI

// Unless a case says otherwise, the agent requests no token data. All of it is injected and must be removed from the
// reply.

extension BenchmarkCase {
    /// A request is scanned, and edited so that the engine returns token data.
    static let requests = [
        request("request/1 KB", repetitions: 200) { RequestText.small() },
        request("request/64 KB with tools", repetitions: 10) { RequestText.withTools },
        request("request/4 MB with images") { RequestText.withImages },
    ]

    /// One event of a stream is split off, read, and restored. Each event arrives alone.
    static let events = [
        event("event/restored", expected: .plain) { RequestText.small() },
        event("event/untouched, the agent asked itself", expected: .full) {
            RequestText.small(asksForTokenData: true)
        },
        event("event/restored, of a form of its own", expected: .plain, field: Template("~: #####\n")) {
            RequestText.small()
        },
    ]

    /// A whole stream is read, and its record is made.
    static let streams = [
        stream(tokens: 512),
        stream(tokens: 512, pieces: 100),
        stream(tokens: 4096),
        stream(tokens: 32768),
    ]

    /// A reply that is not streamed is read, and its record is made.
    static let replies = [
        reply("reply/1 MB", tokens: 2048),
        reply("reply/4 MB", tokens: 4 * 2048),
        reply("reply/16 MB", tokens: 16 * 2048),
        reply("reply, full/1 MB", tokens: 2048, detail: .full),
    ]

    /// The record of a turn is encoded as a line of the trace.
    static let records = [
        record("record/512 tokens", tokens: 512),
        record("record, full/512 tokens", tokens: 512, detail: .full),
    ]

    // MARK: Kinds

    private static func request(
        _ name: String, repetitions: Int = 1, body: @escaping @Sendable () -> [UInt8]
    ) -> BenchmarkCase {
        BenchmarkCase(name, repetitions: repetitions) {
            let body = body()
            return Work(bytes: body.count) { times in
                var bytes = 0
                for _ in 0..<times {
                    let prepared = Turn(body).prepared
                    precondition(!prepared.injection.isEmpty)
                    bytes += prepared.body.count
                }
                return bytes
            }
        }
    }

    /// - Parameters:
    ///   - expected: The reply that the agent must receive.
    ///   - field: An additional SSE field of each event.
    private static func event(
        _ name: String, expected: ReplyText, field: Template = Template(""), request: @escaping @Sendable () -> [UInt8]
    ) -> BenchmarkCase {
        BenchmarkCase(name, events: 1, repetitions: 1000) {
            let role = ReplyText.full.roleEvent.text(0)
            let events = (0..<512).map { field.text($0) + ReplyText.full.tokenEvent.text($0) }
            let (expectedRole, expectedEvent) = (expected.roleEvent.length, field.length + expected.tokenEvent.length)
            let reply = Turn(request()).reply
            return Work(bytes: events[0].count) { times in
                var passage = StreamPassage(reply)
                passage.receive(role.span)
                for number in 0..<times {
                    let event = events[number % events.count]
                    passage.receive(event.span)
                }
                precondition(passage.writtenBytes == expectedRole + times * expectedEvent)
                return passage.writtenBytes
            }
        }
    }

    /// - Parameter pieces: The number of bytes that arrive together; nil for as many as a server reads at once.
    private static func stream(tokens: Int, pieces: Int? = nil) -> BenchmarkCase {
        let name = "stream/\(tokens) tokens" + (pieces.map { " in \($0)-byte pieces" } ?? "")
        return BenchmarkCase(name, events: tokens + ReplyText.otherEvents) {
            let stream = ReplyText.full.stream(tokens: tokens)
            let expected = ReplyText.plain.stream(tokens: tokens).count
            let turn = Turn(RequestText.small())
            return Work(bytes: stream.count) { times in
                var bytes = 0
                for _ in 0..<times {
                    let passage = StreamPassage.of(stream, in: turn, pieces: pieces ?? 64 << 10)
                    precondition(passage.writtenBytes == expected)
                    bytes += passage.writtenBytes + turn.record(of: passage.captured()).size
                }
                return bytes
            }
        }
    }

    private static func reply(_ name: String, tokens: Int, detail: TraceDetail = .entries) -> BenchmarkCase {
        BenchmarkCase(name) {
            let body = ReplyText.full.whole(tokens: tokens)
            let expected = ReplyText.plain.whole(tokens: tokens).count
            let turn = Turn(RequestText.small(isStream: false), detail: detail)
            return Work(bytes: body.count) { times in
                var bytes = 0
                for _ in 0..<times {
                    var reply = turn.reply
                    _ = reply.read(body: body.span)
                    var edits = reply.edits
                    var edited: [UInt8] = []
                    edited.reserveCapacity(edits.editedLength(of: body.count))
                    edited.append(body.span, with: &edits)
                    let capture = reply.captured()
                    precondition(edited.count == expected && capture.isComplete && capture.level == .tokens)
                    bytes += edited.count + turn.record(of: capture).size
                }
                return bytes
            }
        }
    }

    private static func record(_ name: String, tokens: Int, detail: TraceDetail = .entries) -> BenchmarkCase {
        BenchmarkCase(name, repetitions: 2) {
            let turn = Turn(RequestText.small(), detail: detail)
            let passage = StreamPassage.of(ReplyText.full.stream(tokens: tokens), in: turn, pieces: 64 << 10)
            let record = turn.record(of: passage.captured())
            return Work(bytes: TurnRecordEncoder.encode(record).count) { times in
                (0..<times).reduce(0) { bytes, _ in bytes + TurnRecordEncoder.encode(record).count }
            }
        }
    }
}
