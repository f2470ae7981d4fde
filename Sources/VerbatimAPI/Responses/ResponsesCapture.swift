import VerbatimJSON
import VerbatimSchema

/// Makes the capture from what has arrived of a response.
struct ResponsesCapture {
    private let reply: ResponsesReply
    private let state: ReplyState

    init(_ reply: ResponsesReply, state: ReplyState) {
        self.reply = reply
        self.state = state
    }

    var capture: Capture {
        var capture = Capture()
        capture.problems = state.problems
        if reply.hasBegun {
            var choice = Capture.Choice(index: 0)
            let found = reply.tokens.fill(&choice, lacksEndToken: lacksEndToken)
            if choice.logprobs?.isEmpty ?? false { choice.logprobs = nil }
            choice.finishReason = finishReason
            choice.hidesTokens = hidesTokens
            capture.choices = [choice]
            capture.note(found)
        }
        capture.note(reply.losses)
        capture.promptTokenIDs = reply.promptTokenIDs
        capture.usage = reply.fields.value("usage")
        capture.model = reply.fields.value("model")
        capture.responseID = reply.fields.value("id")
        capture.response = state.wholeReply ?? JSONText(assembled, isNormal: true)
        capture.checkTokens(state, counts: countByEngine.map { .total($0) } ?? .unknown, omitsEndToken: false)
        // A response that consists of tool calls has no field for them.
        if capture.level == .ids && state.injection.topLogprobs != nil && !capture.choices.contains(where: \.isUnpaired)
        {
            capture.note([ProblemCode.noLogprobs])
        }
        capture.checkEnd(state)
        return capture
    }

    /// The reason why the response is incomplete, or the status with which it ended; nil until it has ended.
    private var finishReason: [UInt8]? {
        if let reason = reply.fields.value("incomplete_details").flatMap({ $0.member("reason") }) { return reason }
        let unfinished = [#""in_progress""#, #""queued""#].map { Array($0.utf8) }
        return reply.fields.value("status").flatMap { unfinished.contains($0) ? nil : $0 }
    }

    private var countByEngine: Int? { reply.fields.value("usage").flatMap { $0.integer("output_tokens") } }

    /// Whether only the token that ended the response can be missing, since all others had text.
    private var lacksEndToken: Bool {
        !state.isWhole && state.engine.responseStreamsOmitEndToken && !reply.hasHiddenParts
            && finishReason == Array(#""completed""#.utf8)
    }

    /// Whether the engine sent tokens of the visible text only although more was generated, and no count shows it.
    private var hidesTokens: Bool {
        !state.isWhole && reply.hasHiddenParts && reply.tokens.count > 0 && !reply.tokens.hasWholeIDs
            && countByEngine == nil
            && reply.tokens.textLength <= reply.visibleLength
    }

    /// The response of a stream.
    private var assembled: [UInt8] {
        let response = reply.lastResponse ?? Array(#"{"object":"response"}"#.utf8)
        guard let object = try? JSONObject(document: response.span) else { return response }
        var members: [(name: String, value: [UInt8])] = []
        if !reply.hasEnded { members.append(("output", reply.items.array)) }
        members += state.errorMembers.map { ($0.name.description, $0.value) }
        if members.isEmpty { return response }
        var edits = JSONEdits()
        edits.update(object, of: response.span, setting: members)
        return edits.applied(to: response.span)
    }
}
