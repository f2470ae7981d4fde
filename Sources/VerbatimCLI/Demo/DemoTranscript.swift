import VerbatimSSE
import VerbatimJSON
import NIOCore
import Synchronization

/// Prints what the demo's agent sends and receives, as it arrives.
final class DemoTranscript: Sendable {
    private struct Reply {
        var splitter = EventSplitter()
        /// Bytes that are not yet a complete event.
        var pending = ByteBuffer()
        /// The kind of text on the current line.
        var part = ""
        var events = 0
        var hasLogprobs = false
    }

    private let style: TerminalStyle
    private let reply = Mutex(Reply())

    init(color: Bool) { style = TerminalStyle(isOn: color) }

    func heading(_ text: String) { StandardOutput.print("\n" + style.bold(text) + "\n") }

    func request(number: Int, _ question: String) {
        reply.withLock { $0 = Reply() }
        StandardOutput.print(style.dim("request \(number):") + " \(question)")
    }

    /// Prints what the events in `body` add to the reply.
    func receive(_ body: ByteBuffer) {
        reply.withLock { reply in
            reply.pending.writeImmutableBuffer(body)
            while true {
                let front = reply.pending
                guard let unit = reply.splitter.nextUnit(in: front.readableBytesUInt8Span),
                    let event = reply.pending.readSlice(length: unit.length)
                else { return }
                if unit.kind == .event { show(event, in: &reply) }
            }
        }
    }

    func endReply(status: Int) {
        let (events, hasLogprobs) = reply.withLock { ($0.events, $0.hasLogprobs) }
        let seen = hasLogprobs ? "with log-probabilities" : "without any log-probability or token id"
        StandardOutput.print("\n" + style.dim("status \(status), \(events) events, \(seen)") + "\n")
    }

    func footer(trace: String) {
        let command = CommandLine.arguments.first ?? "verbatim"
        StandardOutput.print(
            """

            \(style.bold("The trace is in")) \(trace)
            Look closer with
              \(command) trace show --tokens \(trace)
              \(command) trace check \(trace)

            """)
    }

    // MARK: Events

    private func show(_ event: ByteBuffer, in reply: inout Reply) {
        let text = event.readableBytesUInt8Span
        guard let data = EventFields(of: text).data else { return }
        reply.events += 1
        let json = text.extracting(data)
        guard let choice = Self.firstChoice(in: json),
            let delta = choice.value("delta", in: json), delta.kind == .object,
            let fields = try? JSONObject(scanning: json, at: delta.range.lowerBound)
        else { return }
        if let logprobs = choice.value("logprobs", in: json), !logprobs.isNull { reply.hasLogprobs = true }
        if let thought = fields.value("reasoning", in: json)?.string(in: json) { show(thought, as: "thinks", &reply) }
        if let content = fields.value("content", in: json)?.string(in: json) { show(content, as: "says", &reply) }
        if let call = Self.function(in: fields, of: json) { show(call, as: "calls", &reply) }
    }

    private func show(_ text: String, as part: String, _ reply: inout Reply) {
        if text.isEmpty { return }
        var output = ""
        if reply.part != part {
            output = (reply.part.isEmpty ? "" : "\n") + style.dim("engine \(part):") + " "
            reply.part = part
        }
        StandardOutput.write(output + (part == "thinks" ? style.dim(text) : text))
    }

    private static func firstChoice(in json: Span<UInt8>) -> JSONObject? {
        guard let chunk = try? JSONObject(document: json), let choices = chunk.value("choices", in: json),
            choices.kind == .array
        else { return nil }
        return firstObject(of: choices, in: json)
    }

    /// Returns the name and the arguments that a delta adds to a tool call.
    private static func function(in delta: JSONObject, of json: Span<UInt8>) -> String? {
        guard let calls = delta.value("tool_calls", in: json), calls.kind == .array,
            let call = firstObject(of: calls, in: json), let function = call.value("function", in: json),
            let fields = try? JSONObject(scanning: json, at: function.range.lowerBound)
        else { return nil }
        let name = fields.value("name", in: json)?.string(in: json).map { $0 + " " } ?? ""
        return name + (fields.value("arguments", in: json)?.string(in: json) ?? "")
    }

    private static func firstObject(of array: JSONValue, in json: Span<UInt8>) -> JSONObject? {
        var cursor = JSONCursor(at: array.range.lowerBound)
        guard (try? cursor.enterArray(in: json)) != nil, (try? cursor.nextElement(in: json)) == true else { return nil }
        return try? JSONObject(scanning: json, at: cursor.offset)
    }
}
