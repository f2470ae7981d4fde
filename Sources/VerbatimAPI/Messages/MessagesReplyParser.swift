import VerbatimJSON

/// Reads the reply to `/messages`, streamed or not. Nothing is injected in this API, so replies are not edited.
///
/// A whole reply is one message: `{"id":…,"type":"message","role":"assistant","content":[…],"model":…,
/// "stop_reason":…,"stop_sequence":…,"usage":{…}}`, or `{"type":"error","error":{…}}`. A stream has it in events with a
/// `type` (Anthropic's documentation, "Streaming messages"; the recorded samples):
///
///     message_start        {"message":{… "content":[],"usage":{…}}}
///     content_block_start  {"index":0,"content_block":{"type":"text","text":""}}
///     content_block_delta  {"index":0,"delta":{"type":"text_delta","text":"Hi"}}
///     content_block_stop   {"index":0}
///     message_delta        {"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":1}}
///     message_stop         {}
///     ping                 {}
///     error                {"error":{"type":"overloaded_error","message":"Overloaded"}}
///
/// Unknown events pass in the same way.
struct MessagesReplyParser: ReplyParser {
    var state: ReplyState
    var reading = ReplyReading<Never>()
    private var reply = MessagesReply()

    init(_ state: ReplyState) { self.state = state }

    package func captured() -> Capture { MessagesCapture(reply, state: state).capture }

    package var hasOutput: Bool { reply.hasOutput }

    func engineEnding(for expected: ExpectedReply, usage: EndingUsage) -> StreamEnding {
        MessagesEnding(of: reply, usage: usage).ending
    }

    func isTerminal(document text: Span<UInt8>) -> Bool {
        guard let event = try? JSONObject(document: text, options: .nonFiniteNumbers) else { return false }
        return event.value("type", in: text)?.equals("message_stop", in: text) ?? false
    }

    mutating func read(document text: Span<UInt8>, with start: JSONCursor) throws(JSONError) -> EventDisposition {
        var cursor = start
        guard let event = try JSONObject(with: &cursor, in: text) else { return .passThrough }
        let kind = MessageEventKind(event.value("type", in: text), in: text)
        noteError(in: event, kind: kind, of: text)
        if state.isWhole {
            if state.error == nil, kind == .message || event.value("content", in: text)?.kind == .array {
                reply.readWhole(event, of: text)
            }
            return .passThrough
        }
        switch kind {
        case .blockDelta: try reply.readBlockDelta(event, of: text)
        case .blockStop: reply.readBlockStop(event, of: text)
        case .blockStart: try reply.readBlockStart(event, of: text)
        case .messageStart: try reply.readStart(event, of: text)
        case .messageDelta: try reply.readDelta(event, of: text)
        case .messageStop:
            reply.end()
            state.isTerminated = true
            return .terminal
        case .error, .message, .other: break
        }
        return .passThrough
    }

    // MARK: Errors

    /// An `error` counts in any event. An event of the type `error` without that member is the error itself, and so is
    /// one that looks like an error in another form.
    private mutating func noteError(in event: JSONObject, kind: MessageEventKind, of text: Span<UInt8>) {
        if let error = event.value("error", in: text) { state.noteError(error, of: text) }
        if state.error != nil { return }
        let hasContent = event.value("content", in: text) != nil
        if kind == .error
            || (kind == .other && !hasContent && ErrorMarks.areOfAnError(event, of: text, isWhole: state.isWhole))
        {
            state.noteError(JSONValue(kind: .object, range: event.range), of: text)
        }
    }
}
