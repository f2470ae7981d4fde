import VerbatimJSON
import VerbatimSchema

// What has been captured, put together for the record.

extension ChatReplyParser {
    package func captured() -> Capture {
        var capture = Capture()
        capture.problems = state.problems
        var choices = choicesWithExtensions
        if choices.count > 1 { choices.sort { $0.index < $1.index } }
        for choice in choices {
            var captured = Capture.Choice(index: choice.index)
            let found = choice.tokens.fill(&captured, prompt: prompt(in: choice))
            captured.finishReason = choice.fields.value("finish_reason")
            captured.promptTokenIDs = choice.promptTokenIDs
            captured.isEmpty = !choice.hasOutput && choice.tokens.hasEmptyList
            captured.hidesTokens = hidesTokens(choice)
            capture.choices.append(captured)
            capture.note(found)
            capture.note(choice.tokens.losses.union(choice.message.losses).union(choice.fields.losses))
            capture.note(choice.textLosses)
        }
        capture.note(envelope.losses)
        capture.promptTokenIDs =
            [envelope.value("prompt_token_ids"), extensions.promptTokenIDs, choices.first?.promptTokenIDs]
            .compactMap { $0 }.first { $0.first == UInt8(ascii: "[") }
        capture.usage = envelope.value("usage")
        capture.model = envelope.value("model")
        capture.responseID = envelope.value("id")
        capture.engine = fingerprint.flatMap(EngineRecognition.profile(forFingerprint:))
        if state.engine.marks.fingerprintIsVersion { capture.engineVersion = envelope.value("system_fingerprint") }
        capture.response = state.wholeReply ?? assembled(choices)
        capture.judge(
            state, counts: counts,
            omitsEndToken: !state.isWhole && state.engine.streamsOmitEndToken)
        if state.isTerminated && state.replyError == nil && !choices.isEmpty {
            // An engine may have no finish reasons at all, but not for some choices only.
            let unfinished = capture.choices.count { $0.finishReason == nil }
            if unfinished > 0 && unfinished < choices.count { capture.note([ProblemCode.finishReasonMissing]) }
            if choices.count < asked.choices { capture.note([ProblemCode.choicesMissing]) }
        }
        capture.conclude(state)
        return capture
    }

    private var fingerprint: String? {
        guard let text = envelope.value("system_fingerprint"), text.first == UInt8(ascii: "\"") else { return nil }
        return JSONValue(kind: .string, range: text.indices).string(in: text.span)
    }

    /// The choices with the ids that came beside them.
    private var choicesWithExtensions: [ReplyChoice] {
        var choices = choices
        if extensions.areOfOneChoice && choices.count > 1 { return choices }
        for (index, ids) in extensions.completionTokenIDs.enumerated() {
            guard let slot = choices.firstIndex(where: { $0.index == index }) else { continue }
            choices[slot].tokens.takeWholeIDs(ids)
        }
        return choices
    }

    /// How much of a choice is the echoed prompt.
    private func prompt(in choice: ReplyChoice) -> TokenCapture.Prompt {
        guard let echo, choice.tokens.hasLists else { return .absent }
        guard choice.tokens.beginsWithPrompt else {
            // Not all engines echo. If this one did, the number of tokens shows it.
            if case .total = counts { return .absent }
            return .unknown
        }
        if let length = choice.tokens.promptLength ?? echo.tokenCount { return .length(length) }
        if let length = choice.promptTokenIDs.flatMap({ JSONList(array: $0.span)?.count }) { return .length(length) }
        guard echo.isSingle, let usage = envelope.value("usage") else { return .unknown }
        return usage.integer("prompt_tokens").map { .length($0) } ?? .unknown
    }

    /// Whether the engine sent tokens of the visible text only, although more was generated: tool calls or reasoning.
    private func hidesTokens(_ choice: ReplyChoice) -> Bool {
        guard api == .chatCompletions, choice.tokens.hasEntries else { return false }
        return choice.message.hasHiddenParts && choice.tokens.textLength <= choice.message.visibleLength
    }

    /// How many tokens the engine says it generated.
    private var counts: Capture.Counts {
        let usage = envelope.value("usage").flatMap { $0.integer("completion_tokens") }
        if choices.count <= 1 {
            if let usage { return .total(usage) }
            // llama.cpp counts the tokens of a stream also when no usage was asked for.
            let timed = envelope.value("timings").flatMap { $0.integer("predicted_n") }
            return timed.map { .total($0) } ?? .unknown
        }
        if state.engine.usageCoversAllChoices { return usage.map { .total($0) } ?? .unknown }
        let each = choices.sorted { $0.index < $1.index }.map(\.countByEngine)
        if !each.contains(nil) { return .each(each.compactMap(\.self)) }
        // Whichever choice was counted: those that were cut off at the limit are all as long.
        let areCutOff = choices.allSatisfy { $0.fields.value("finish_reason") == Array(#""length""#.utf8) }
        if let usage, areCutOff { return .each(choices.map { _ in usage }) }
        // It leaves tokens out that are a part of a character, and those of a stop string.
        let mayHaveGaps = asked.hasStops || choices.contains { $0.tokens.hasCharactersOfSeveralBytes }
        return mayHaveGaps ? .ofOneChoice : .unknown
    }

    private func assembled(_ choices: [ReplyChoice]) -> JSONText {
        let kind = api == .chatCompletions ? #""chat.completion""# : #""text_completion""#
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
            choice.append(to: &object, api: api, detail: state.policy.detail)
        }
        object.append("]")
        object.append(key: "usage")
        object.append(envelope.value("usage") ?? Array("null".utf8))
        object.append(about: envelope.length) { object in
            envelope.append(
                to: &object, except: ["id", "object", "created", "model", "usage"], isFirst: false)
        }
        for member in state.errorMembers {
            object.append(key: member.name)
            object.append(member.value)
        }
        object.append("}")
        return JSONText(normal: object)
    }
}
