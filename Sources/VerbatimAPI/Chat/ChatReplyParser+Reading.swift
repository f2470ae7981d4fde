import VerbatimJSON
import VerbatimSchema

// How a chunk of a stream, or a whole reply, is walked through: captured and restored on the same way.

extension ChatReplyParser {
    package mutating func read(
        document text: Span<UInt8>, with start: JSONCursor
    ) throws(JSONError) -> EventDisposition {
        form = nil
        notes = wantsForm(of: text) ? EventNotes() : nil
        var cursor = start
        guard try cursor.peekKind(in: text) == .object else { return .passThrough }
        var chunk = Chunk()
        var remover = MemberRemover(objectAt: cursor.offset)
        // The record does without what repeats the prompt.
        var trimmer = MemberRemover(objectAt: cursor.offset)
        let isTrimmed = state.isWhole && state.injection.ids.contains(.flag("verbose"))
        envelope.restart()
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            let isExtension = ExtensionFields.reads(key, in: text)
            if isTrimmed {
                let isRemoved = ExtensionFields.isVerbose(key, in: text)
                trimmer.visit(key: key, isRemoved: isRemoved, edits: &state.compactEdits)
            }
            if isExtension {
                try readExtension(key, with: &cursor, of: text, remover: &remover, chunk: &chunk)
            } else {
                remover.visit(key: key, isRemoved: false, edits: &state.edits)
                try readMember(key, with: &cursor, of: text, chunk: &chunk)
            }
            remover.endValue(at: cursor.offset)
            trimmer.endValue(at: cursor.offset)
        }
        remover.endObject(at: cursor.offset, edits: &state.edits)
        if isTrimmed { trimmer.endObject(at: cursor.offset, edits: &state.compactEdits) }
        return chunk.isInjectedOnly && state.error == nil ? .drop : .passThrough
    }

    /// What has been seen of a chunk or body.
    private struct Chunk {
        /// The place of its choice among all, if there is just one.
        var onlySlot: Int?
        var hasChoices = false
        /// Each choice is there only because of the injection.
        var hasInjectedChoicesOnly = false
        var hasUsage = false
        var hasInjectedExtension = false
        /// There is something in an extension that was not injected.
        var hasOtherExtension = false

        var isInjectedOnly: Bool {
            if hasOtherExtension { return false }
            return hasChoices ? hasInjectedChoicesOnly : hasInjectedExtension && !hasUsage
        }
    }

    private mutating func readMember(
        _ key: JSONString, with cursor: inout JSONCursor, of text: Span<UInt8>, chunk: inout Chunk
    ) throws(JSONError) {
        if key.equals("choices", in: text) {
            if try cursor.peekKind(in: text) == .array {
                try readChoices(with: &cursor, of: text, chunk: &chunk)
            } else {
                try cursor.skipValue(in: text)
            }
            return
        }
        noteRepetition(of: key, in: text)
        let value = try cursor.skipValue(in: text)
        if key.equals("error", in: text) {
            notes?.isComplete = false
            state.noteError(value, of: text)
            return
        }
        if envelope.put(key, value, of: text, isNormal: cursor.isNormal), value.kind == .string || value.kind == .number
        {
            notes?.changes.append((key, value))
        }
        if key.equals("usage", in: text) { chunk.hasUsage = !value.isNull }
        if key.equals("timings", in: text), let slot = chunk.onlySlot {
            // llama.cpp counts the tokens of a stream here, also when no usage was asked for.
            choices[slot].countByEngine = try count(inTimings: value, of: text) ?? choices[slot].countByEngine
        }
        if key.equals("prompt_token_ids", in: text) && hasInjectedPromptIDs && !value.isNull {
            notes?.isComplete = false
            state.edits.replace(value.range, with: .null)
        }
    }

    /// Of a field that comes twice the last value counts, which must not become that of a place further in front.
    private mutating func noteRepetition(of key: JSONString, in text: Span<UInt8>) {
        guard let changes = notes?.changes, !changes.isEmpty else { return }
        let name = String(copying: text, key.quoted)
        if changes.contains(where: { String(copying: text, $0.key.quoted) == name }) { notes?.isComplete = false }
    }

    /// Reads what an engine has added to the API for token data; what was injected is taken out.
    private mutating func readExtension(
        _ key: JSONString, with cursor: inout JSONCursor, of text: Span<UInt8>, remover: inout MemberRemover,
        chunk: inout Chunk
    ) throws(JSONError) {
        notes?.isComplete = false
        var ahead = cursor
        let value = try ahead.skipValue(in: text)
        let object = try JSONObject(scanning: text, at: value.range.lowerBound, options: .nonFiniteNumbers)
        if let object { try extensions.read(object, of: text) }
        let injected = object.map { state.injection.members(of: key, $0, in: text) } ?? []
        let isRemoved = !injected.isEmpty && injected.count == object?.members.count
        remover.visit(key: key, isRemoved: isRemoved, edits: &state.edits)
        if !isRemoved, !injected.isEmpty, let object {
            state.edits.remove(from: object) { injected.contains($0.key) }
        }
        if !injected.isEmpty { chunk.hasInjectedExtension = true }
        if !isRemoved && !value.isNull { chunk.hasOtherExtension = true }
        cursor = ahead
    }

    private func count(inTimings value: JSONValue, of text: Span<UInt8>) throws(JSONError) -> Int? {
        let timings = try JSONObject(scanning: text, at: value.range.lowerBound, options: .nonFiniteNumbers)
        return timings?.value("predicted_n", in: text)?.int(in: text)
    }

    private mutating func readChoices(
        with cursor: inout JSONCursor, of text: Span<UInt8>, chunk: inout Chunk
    ) throws(JSONError) {
        try cursor.enterArray(in: text)
        var position = 0
        var areInjectedOnly = true
        while try cursor.nextElement(in: text) {
            if choices.count >= Self.choiceLimit {
                // Nobody asks for so many; they pass as they are.
                try cursor.skipValue(in: text)
                state.note(ProblemCode.choicesMissing)
                areInjectedOnly = false
            } else if try cursor.peekKind(in: text) == .object {
                let isInjectedOnly = try readChoice(with: &cursor, of: text, position: position)
                areInjectedOnly = areInjectedOnly && isInjectedOnly
            } else {
                try cursor.skipValue(in: text)
                areInjectedOnly = false
            }
            position += 1
        }
        chunk.hasChoices = position > 0
        chunk.onlySlot = position == 1 ? lastSlot : nil
        chunk.hasInjectedChoicesOnly = position > 0 && areInjectedOnly
    }

    /// Most choices of a reply that are told apart.
    static let choiceLimit = 4096

    /// Answers whether the choice is there only because of the injection.
    private mutating func readChoice(
        with cursor: inout JSONCursor, of text: Span<UInt8>, position: Int
    ) throws(JSONError) -> Bool {
        var visit = ChoiceVisit()
        var restorer = MemberRemover(objectAt: cursor.offset)
        var compactor = MemberRemover(objectAt: cursor.offset)
        let isCompacted = state.isWhole && state.policy.detail == .compact
        // `index` tells which choice the rest belongs to. Engines put it in front; if not, look ahead for it.
        let slot = try slot(of: cursor, in: text, position: position)
        lastSlot = slot
        if notes?.slot != nil { notes?.isComplete = false }
        notes?.slot = slot
        choices[slot].fields.restart()
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            let field = TokenField(key, in: text, api: api)
            let isInjected = isInjected(field)
            let isRemoved = isInjected && offForm(of: field) == .absent
            restorer.visit(key: key, isRemoved: isRemoved, edits: &state.edits)
            if isCompacted { compactor.visit(key: key, isRemoved: field == .logprobs, edits: &state.compactEdits) }
            if let field {
                let start = try read(field, into: slot, with: &cursor, of: text)
                if isInjected, let start {
                    if field != .promptTokenIDs { visit.hasInjectedData = true }
                    if !isRemoved { state.edits.replace(start..<cursor.offset, with: .null) }
                }
            } else {
                try readMember(key, into: slot, with: &cursor, of: text, visit: &visit)
            }
            restorer.endValue(at: cursor.offset)
            compactor.endValue(at: cursor.offset)
        }
        restorer.endObject(at: cursor.offset, edits: &state.edits)
        if isCompacted { compactor.endObject(at: cursor.offset, edits: &state.compactEdits) }
        endInstalment(of: slot)
        return visit.isInjectedOnly && !asked.logprobs && asked.requestedByAnyEngineField.isEmpty
    }

    /// Evens out what an event or a body has brought of a choice.
    mutating func endInstalment(of slot: Int) {
        choices[slot].tokens.endInstalment(isEcho: echo != nil)
        if !state.hasOutput && choices[slot].hasOutput { state.hasOutput = true }
    }

    /// What has been seen of a choice in one event.
    private struct ChoiceVisit {
        /// The delta is an object without members, or brings nothing from an engine that sends such deltas.
        var bringsNothing = false
        var isFinished = false
        var hasInjectedData = false

        var isInjectedOnly: Bool { bringsNothing && !isFinished && hasInjectedData }
    }

    private mutating func readMember(
        _ key: JSONString, into slot: Int, with cursor: inout JSONCursor, of text: Span<UInt8>,
        visit: inout ChoiceVisit
    ) throws(JSONError) {
        if key.equals("delta", in: text) {
            let delta = try choices[slot].message.read(with: &cursor, of: text, notes: &notes)
            let isBlank = delta.isBlank && (!delta.hasRole || state.engine.repeatsRole)
            visit.bringsNothing = delta.isEmpty || (isBlank && makesBlankEvents)
            return
        }
        let value = try cursor.skipValue(in: text)
        if key.equals("index", in: text) || key.equals("message", in: text) { return }
        if api == .completions && key.equals("text", in: text) && value.kind == .string {
            notes?.isComplete = false
            choices[slot].append(text: value, of: text)
            visit.bringsNothing = makesBlankEvents && value.range.count == 2
            return
        }
        if key.equals("finish_reason", in: text) { visit.isFinished = !value.isNull }
        choices[slot].fields.put(key, value, of: text, isNormal: cursor.isNormal)
    }

    private var makesBlankEvents: Bool { state.engine.blankEvents.contains(api) }

    // MARK: Token data

    /// A field of a choice that holds token data.
    private enum TokenField {
        case logprobs
        /// Instalments of ids.
        case tokenIDs
        /// SGLang's name for the ids of a whole chat completion.
        case responseTokenIDs
        case promptTokenIDs
        /// vLLM's, which come with log-probabilities of an echoed prompt.
        case promptLogprobs

        init?(_ key: JSONString, in text: Span<UInt8>, api: API) {
            if key.equals("logprobs", in: text) {
                self = .logprobs
            } else if key.equals("token_ids", in: text) {
                self = .tokenIDs
            } else if key.equals("prompt_token_ids", in: text) {
                self = .promptTokenIDs
            } else if key.equals("response_token_ids", in: text) {
                self = .responseTokenIDs
            } else if key.equals("prompt_logprobs", in: text) {
                self = .promptLogprobs
            } else {
                return nil
            }
        }
    }

    /// Whether a field's value is there because of the injection.
    private func isInjected(_ field: TokenField?) -> Bool {
        guard let field else { return false }
        let injection = state.injection
        switch field {
        case .logprobs: return injection.topLogprobs != nil
        case .promptLogprobs: return injection.topLogprobs != nil && !(echo?.hasOwnLogprobs ?? true)
        case .tokenIDs, .responseTokenIDs: return injectsIDs
        case .promptTokenIDs: return hasInjectedPromptIDs
        }
    }

    /// One flag brings both kinds of ids, unless the engine has another for those of the prompt.
    private var hasInjectedPromptIDs: Bool {
        if injectsPromptIDs || !injectsIDs { return injectsPromptIDs }
        guard asked.requestedByAnyEngineField.contains(.promptIDs) else { return true }
        return state.engine != .generic && !state.engine.asking(in: state.situation).ids.contains(.promptIDs)
    }

    private func offForm(of field: TokenField?) -> EngineProfile.DisabledRepresentation {
        switch field {
        case .logprobs: state.engine.logprobsOffForm(in: api)
        case .responseTokenIDs: .absent
        // Only SGLang sends these in the choices of a chat completion.
        case .promptTokenIDs where api == .chatCompletions: .absent
        case .tokenIDs, .promptTokenIDs: state.engine.idsOffForm
        case .promptLogprobs, nil: .null
        }
    }

    /// Answers where the value begins, unless it says nothing.
    private mutating func read(
        _ field: TokenField, into slot: Int, with cursor: inout JSONCursor, of text: Span<UInt8>
    ) throws(JSONError) -> Int? {
        let kind = try cursor.peekKind(in: text)
        let start = cursor.offset
        if field == .logprobs {
            guard kind == .object else {
                try cursor.skipValue(in: text)
                return nil
            }
            try choices[slot].tokens.readLogprobs(with: &cursor, of: text, notes: &notes)
            notes?.logprobs = start..<cursor.offset
        } else {
            let value = try cursor.skipValue(in: text)
            switch field {
            case .tokenIDs:
                try choices[slot].tokens.readIDs(value, of: text)
                if notes?.ids != nil { notes?.isComplete = false }
                if value.kind == .array { notes?.ids = value }
            case .responseTokenIDs:
                try choices[slot].tokens.readWholeIDs(value, of: text)
                notes?.isComplete = false
            case .promptTokenIDs where value.kind == .array:
                choices[slot].promptTokenIDs = JSONNormalizer.normalized(value.range, of: text)
            case .promptLogprobs where value.kind == .array:
                choices[slot].tokens.notePrompt(length: try count(of: value, in: text))
            case .logprobs, .promptTokenIDs, .promptLogprobs: break
            }
        }
        return kind == .null ? nil : start
    }

    private func count(of array: JSONValue, in text: Span<UInt8>) throws(JSONError) -> Int {
        var cursor = JSONCursor(at: array.range.lowerBound, options: .nonFiniteNumbers)
        var count = 0
        try cursor.enterArray(in: text)
        while try cursor.nextElement(in: text) {
            try cursor.skipValue(in: text)
            count += 1
        }
        return count
    }

    /// The slot of the choice whose `{` the cursor stands at.
    private mutating func slot(
        of cursor: JSONCursor, in text: Span<UInt8>, position: Int
    ) throws(JSONError) -> Int {
        var index = position
        var ahead = cursor
        try ahead.enterObject(in: text)
        while let key = try ahead.nextKey(in: text) {
            let isIndex = key.equals("index", in: text)
            let value = try ahead.skipValue(in: text)
            if isIndex {
                index = value.int(in: text) ?? position
                break
            }
        }
        if let slot = choices.firstIndex(where: { $0.index == index }) { return slot }
        choices.append(ReplyChoice(index: index, policy: state.policy))
        return choices.count - 1
    }
}

extension EngineProfile.IDRequest {
    static let completionIDs = EngineProfile.IDRequest.flag("return_token_ids")
    static let promptIDs = EngineProfile.IDRequest.flag("return_prompt_token_ids")
}
