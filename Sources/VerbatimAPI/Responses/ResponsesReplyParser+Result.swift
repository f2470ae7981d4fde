import VerbatimJSON
import VerbatimSchema

// What has been captured, put together for the record.

extension ResponsesReplyParser {
    package func captured() -> Capture {
        var capture = Capture()
        capture.problems = state.problems
        if hasBegun {
            var choice = Capture.Choice(index: 0)
            let found = tokens.fill(&choice, lacksEndToken: lacksEndToken)
            if choice.logprobs?.isEmpty ?? false { choice.logprobs = nil }
            choice.finishReason = finishReason
            choice.hidesTokens = hidesTokens
            capture.choices = [choice]
            capture.note(found)
        }
        capture.note(tokens.losses.union(fields.losses).union(losses))
        capture.promptTokenIDs = promptTokenIDs
        capture.usage = fields.value("usage")
        capture.model = fields.value("model")
        capture.responseID = fields.value("id")
        capture.response = state.wholeReply ?? JSONText(assembled, isNormal: true)
        capture.judge(state, counts: countByEngine.map { .total($0) } ?? .unknown, omitsEndToken: false)
        // A response of calls only has no place for them.
        if capture.level == .ids && state.injection.topLogprobs != nil && !capture.choices.contains(where: \.isUnpaired)
        {
            capture.note([ProblemCode.noLogprobs])
        }
        capture.conclude(state)
        return capture
    }

    /// Why the response is incomplete, or the status it ended with; `nil` as long as it has not ended.
    private var finishReason: [UInt8]? {
        if let reason = fields.value("incomplete_details").flatMap({ $0.member("reason") }) { return reason }
        let unfinished = [#""in_progress""#, #""queued""#].map { Array($0.utf8) }
        return fields.value("status").flatMap { unfinished.contains($0) ? nil : $0 }
    }

    private var countByEngine: Int? { fields.value("usage").flatMap { $0.integer("output_tokens") } }

    /// Whether the token that ended the response is the only one that can be missing: all others had text.
    private var lacksEndToken: Bool {
        !state.isWhole && state.engine.responseStreamsOmitEndToken && !hasHiddenParts
            && finishReason == Array(#""completed""#.utf8)
    }

    /// Whether tokens of the visible text only came, although more was generated, and nothing else will tell.
    private var hidesTokens: Bool {
        !state.isWhole && hasHiddenParts && tokens.count > 0 && !tokens.hasWholeIDs && countByEngine == nil
            && tokens.textLength <= visibleLength
    }

    /// The response of a stream.
    private var assembled: [UInt8] {
        let response = lastResponse ?? Array(#"{"object":"response"}"#.utf8)
        guard let object = try? JSONObject(document: response.span) else { return response }
        var members: [(name: String, value: [UInt8])] = []
        if !hasEnded { members.append(("output", items.array)) }
        members += state.errorMembers.map { ($0.name.description, $0.value) }
        if members.isEmpty { return response }
        var edits = JSONEdits()
        edits.update(object, of: response.span, setting: members)
        return edits.applied(to: response.span)
    }
}
