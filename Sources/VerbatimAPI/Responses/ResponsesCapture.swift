import VerbatimJSON
import VerbatimSchema

/// Makes the capture from what has arrived of a response.
struct ResponsesCapture {
    private let reply: ResponsesReply
    private let state: ReplyState
    private let lacksEvents: Bool

    /// - Parameter lacksEvents: Whether the numbers of the stream's events have a gap.
    init(_ reply: ResponsesReply, state: ReplyState, lacksEvents: Bool) {
        self.reply = reply
        self.state = state
        self.lacksEvents = lacksEvents
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
        capture.response = state.wholeReply ?? response(of: &capture)
        capture.checkTokens(
            state, counts: countByEngine.map { .total($0) } ?? .unknown, hasOutput: reply.hasContent,
            omitsEndToken: false)
        // A response that consists of tool calls has no field for them.
        if capture.level == .ids && state.injection.topLogprobs != nil && !capture.choices.contains(where: \.isUnpaired)
        {
            capture.note([ProblemCode.noLogprobs])
        }
        check(&capture)
        capture.checkEnd(state)
        return capture
    }

    /// The reason why the response is incomplete, or the status with which it ended; nil until it has ended.
    private var finishReason: [UInt8]? {
        if let reason = reply.fields.value("incomplete_details").flatMap({ $0.member("reason") }) { return reason }
        let unfinished = [#""in_progress""#, #""queued""#].map { Array($0.utf8) }
        if let status = reply.fields.value("status") { return unfinished.contains(status) ? nil : status }
        return reply.finalStatus.map { Array("\"\($0)\"".utf8) }
    }

    /// Notes what makes a response incomplete that seems to be whole.
    private func check(_ capture: inout Capture) {
        // Where tokens are missing, their texts are, too.
        let lacksTokens = [ProblemCode.idsLogprobsMismatch, .tokenCountMismatch].contains {
            capture.problems.contains($0)
        }
        if reply.isContradicted && !lacksTokens { capture.note([ProblemCode.tokenTextMismatch]) }
        if reply.tokens.count > 0 { capture.checkTexts([visibleText(in: capture.response.bytes)]) }
        if !(capture.promptTokenIDs.map(TokenIDList.isValid) ?? true) { capture.note([ProblemCode.tokenIDInvalid]) }
        if state.replyError != nil { return }
        // `[DONE]` does not end a response.
        if !state.isWhole && !reply.hasEnded { return capture.note([ProblemCode.streamNotTerminated]) }
        if !reply.hasBegun { return }
        // Some gateways drop events. That loses nothing if the items are whole and the tokens are as many as counted.
        let hasUncountedTokens = countByEngine == nil && reply.tokens.count > 0
        if lacksEvents && (reply.hasUnfinishedItems || hasUncountedTokens) { capture.note([ProblemCode.eventMissing]) }
        if finishReason == Array(#""cancelled""#.utf8) { capture.note([ProblemCode.replyCutOff]) }
        let lacksData = capture.problems.contains(ProblemCode.noTokenData)
        if finishReason == nil && !(state.isWhole && lacksData) { capture.note([ProblemCode.finishReasonMissing]) }
        if capture.level == .text && !lacksData && !reply.hasContent && countByEngine != 0 {
            capture.note([ProblemCode.choicesMissing])
        }
    }

    /// The texts of the messages in a response, as JSON text without quotes.
    private func visibleText(in response: [UInt8]) -> ByteRope {
        var content: [UInt8] = []
        let text = response.span
        let object = try? JSONObject(document: text, options: .nonFiniteNumbers)
        for item in object?.value("output", in: text)?.objects(in: text) ?? [] {
            for part in item.value("content", in: text)?.objects(in: text) ?? [] {
                guard part.value("type", in: text)?.equals("output_text", in: text) ?? true,
                    let string = part.value("text", in: text), string.kind == .string
                else { continue }
                content.append(copying: text, string.content)
            }
        }
        return ByteRope(content)
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

    /// The response of a stream. With ``TraceDetail/entries``, the entries that its end repeats are moved to the choice:
    /// they have `bytes`, which those of the deltas lack.
    private func response(of capture: inout Capture) -> JSONText {
        let response = assembled
        guard state.policy.detail == .entries, capture.choices.first?.logprobs != nil,
            let end = RepeatedEntries(in: response, of: reply.tokens)
        else { return JSONText(response, isNormal: true) }
        capture.choices[0].logprobs = end.entries
        return JSONText(end.rest, isNormal: true)
    }

    /// The response of a stream.
    private var assembled: [UInt8] {
        var response = reply.assembled
        response.set(state.errorMembers.map { ($0.name.description, $0.value) })
        return response
    }
}
