import VerbatimJSON
import VerbatimSchema

/// Makes the capture from what has arrived of a chat completion or a completion.
struct ChatCapture {
    private let reply: ChatReply
    private let state: ReplyState
    private let restoration: ChatReplyRestoration

    init(_ reply: ChatReply, state: ReplyState, restoration: ChatReplyRestoration) {
        self.reply = reply
        self.state = state
        self.restoration = restoration
    }

    var capture: Capture {
        let envelope = reply.envelope
        var capture = Capture()
        capture.problems = state.problems
        var choices = choicesWithExtensions
        if choices.count > 1 { choices.sort { $0.index < $1.index } }
        for choice in choices {
            var captured = Capture.Choice(index: choice.index)
            let found = choice.tokens.fill(
                &captured, prompt: prompt(in: choice), mayLackTexts: state.engine.entriesLackTexts)
            captured.finishReason = choice.fields.value("finish_reason")
            captured.promptTokenIDs = choice.promptTokenIDs
            captured.isEmpty = !choice.hasOutput && choice.tokens.hasEmptyList
            captured.hidesTokens = hidesTokens(choice)
            capture.choices.append(captured)
            capture.note(found)
            capture.note(choice.losses)
            if !(choice.promptTokenIDs.map(TokenIDList.isValid) ?? true) { capture.note([ProblemCode.tokenIDInvalid]) }
        }
        capture.note(envelope.losses)
        capture.promptTokenIDs =
            [envelope.value("prompt_token_ids"), reply.extensions.promptTokenIDs, choices.first?.promptTokenIDs]
            .compactMap { $0 }.first { $0.first == UInt8(ascii: "[") }
        if !(capture.promptTokenIDs.map(TokenIDList.isValid) ?? true) { capture.note([ProblemCode.tokenIDInvalid]) }
        capture.usage = envelope.value("usage")
        capture.model = envelope.value("model")
        capture.responseID = envelope.value("id")
        capture.engine = fingerprint.flatMap(EngineRecognition.profile(forFingerprint:))
        if state.engine.fingerprint.systemFingerprintIsVersion {
            capture.engineVersion = envelope.value("system_fingerprint")
        }
        capture.response = state.wholeReply ?? assembled(choices)
        capture.checkTokens(
            state, counts: counts, hasOutput: restoration.echo == nil && choices.contains(where: \.hasOutput),
            omitsEndToken: !state.isWhole && state.engine.streamsOmitEndToken && endsAtEndToken)
        if restoration.echo == nil {
            let areUnexplained = capture.areTextsUnexplained(choices.map { $0.visibleText(in: restoration.api) })
            if areUnexplained && !restoration.continuesAMessage { capture.note([ProblemCode.tokenTextMismatch]) }
        }
        let wantsLogprobs = restoration.asked.logprobs || restoration.asked.logprobsAreOff
        if capture.level == .ids && wantsLogprobs { capture.note([ProblemCode.noLogprobs]) }
        if state.replyError == nil && choices.contains(where: \.hasFailed) { capture.note([ProblemCode.replyCutOff]) }
        if state.isTerminated && state.replyError == nil {
            capture.checkChoices(state, wanted: restoration.asked.choices, counts: counts)
        }
        capture.checkEnd(state)
        return capture
    }

    private var fingerprint: String? {
        guard let text = reply.envelope.value("system_fingerprint"), text.first == UInt8(ascii: "\"") else {
            return nil
        }
        return JSONValue(kind: .string, range: text.indices).string(in: text.span)
    }

    /// The choices with the ids that came beside them.
    private var choicesWithExtensions: [ReplyChoice] {
        var choices = reply.choices
        let extensions = reply.extensions
        if extensions.areOfOneChoice && choices.count > 1 { return choices }
        for (index, ids) in extensions.completionTokenIDs.enumerated() {
            guard let place = reply.place(ofChoice: index) else { continue }
            choices[place].tokens.setWholeIDs(ids)
        }
        return choices
    }

    /// How much of a choice is the echoed prompt.
    private func prompt(in choice: ReplyChoice) -> TokenCollector.Prompt {
        guard let echo = restoration.echo, choice.tokens.hasLists else { return .absent }
        guard choice.tokens.beginsWithPrompt else {
            // Not all engines echo. If this one did, the number of tokens shows it.
            if case .total = counts { return .absent }
            return .unknown
        }
        if let length = choice.tokens.promptLength ?? echo.tokenCount { return .length(length) }
        if let length = choice.promptTokenIDs.flatMap({ JSONList(array: $0.span)?.count }) { return .length(length) }
        guard echo.isSingle, let usage = reply.envelope.value("usage") else { return .unknown }
        return usage.integer("prompt_tokens").map { .length($0) } ?? .unknown
    }

    /// Whether a token ended the reply, and not a stop string, whose tokens an engine may leave out.
    private var endsAtEndToken: Bool {
        let extensions = reply.extensions
        return extensions.hasStopType ? !extensions.hasStopString : !restoration.asked.hasStops
    }

    /// Whether the engine sent tokens of the visible text only, although more was generated: tool calls or reasoning.
    private func hidesTokens(_ choice: ReplyChoice) -> Bool {
        guard restoration.api == .chatCompletions, choice.tokens.hasEntries else { return false }
        let visibleLength = state.isWhole ? choice.text.count : choice.message.visibleLength
        let hasHiddenParts = choice.hasHiddenParts || choice.message.hasHiddenParts
        return hasHiddenParts && choice.tokens.textLength <= visibleLength
    }

    /// How many tokens the engine says it generated.
    private var counts: Capture.Counts {
        let choices = reply.choices
        let usage = reply.envelope.value("usage").flatMap { $0.integer("completion_tokens") }
        if choices.count <= 1 {
            if let usage { return .total(usage) }
            // llama.cpp counts the tokens of a stream also when no usage was asked for.
            let timed = reply.envelope.value("timings").flatMap { $0.integer("predicted_n") }
            return timed.map { .total($0) } ?? .unknown
        }
        if state.engine.usageCoversAllChoices { return usage.map { .total($0) } ?? .unknown }
        let each = choices.sorted { $0.index < $1.index }.map(\.countByEngine)
        if !each.contains(nil) { return .each(each.compactMap(\.self)) }
        // Choices that were cut off at the limit are all of the same length, whichever was counted.
        let areCutOff = choices.allSatisfy { $0.fields.value("finish_reason") == Array(#""length""#.utf8) }
        if let usage, areCutOff { return .each(choices.map { _ in usage }) }
        // The engine leaves out tokens that are a part of a character, and those of a stop string.
        let mayHaveGaps = restoration.asked.hasStops || choices.contains { $0.tokens.hasNonASCIIText }
        return mayHaveGaps ? .ofOneChoice : .unknown
    }

    /// The reply of a stream as a reply that is not streamed has it.
    private func assembled(_ choices: [ReplyChoice]) -> JSONText {
        let envelope = reply.envelope
        let kind = restoration.api == .chatCompletions ? #""chat.completion""# : #""text_completion""#
        var start = Array("{".utf8)
        for name in ["id", "object", "created", "model"] as [StaticString] {
            guard let value = name.description == "object" ? Array(kind.utf8) : envelope.value(name) else { continue }
            start.appendJSONKey(name)
            start.append(contentsOf: value)
        }
        var object = ByteRope(start)
        object.append(key: "choices")
        object.append("[")
        for (position, choice) in choices.enumerated() {
            if position > 0 { object.append(",") }
            choice.append(to: &object, api: restoration.api, detail: state.policy.detail)
        }
        object.append("]")
        object.append(key: "usage")
        object.append(envelope.value("usage") ?? Array("null".utf8))
        var omitted: [StaticString] = ["id", "object", "created", "model", "usage"]
        // These are in the error.
        if state.replyError != nil { omitted += ["message", "type", "param", "code", "status", "detail"] }
        envelope.append(to: &object, isFirst: false, except: omitted)
        for member in state.errorMembers {
            object.append(key: member.name)
            object.append(member.value)
        }
        object.append("}")
        return JSONText(normal: object)
    }
}
