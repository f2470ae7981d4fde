import JSONBytes

// How a chunk of a stream, or a whole reply, is walked through: captured and restored on the same way.

extension ChatReply {
    /// What a chunk or body turned out to be.
    struct Chunk {
        var isObject = false
        /// It has choices, and each is there only because of the injection.
        var isInjectedOnly = false
    }

    /// Reads a chunk or a body. What is not JSON leaves no trace, so that what follows it stays in step.
    mutating func readDocument(_ text: Span<UInt8>) throws(JSONError) -> Chunk {
        var check = JSONCursor(options: .nonFiniteNumbers)
        try check.skipValue(in: text)
        try check.expectEnd(in: text)
        var cursor = JSONCursor(options: .nonFiniteNumbers)
        var chunk = Chunk()
        guard try cursor.peekKind(in: text) == .object else { return chunk }
        chunk.isObject = true
        envelope.restart()
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            if key.equals("choices", in: text) {
                if try cursor.peekKind(in: text) == .array {
                    chunk.isInjectedOnly = try readChoices(with: &cursor, of: text)
                } else {
                    try cursor.skipValue(in: text)
                }
                continue
            }
            let value = try cursor.skipValue(in: text)
            if key.equals("error", in: text) {
                noteError(value, of: text)
                continue
            }
            envelope.put(key, value, of: text)
            if key.equals("prompt_token_ids", in: text) {
                recognise(.vllm)
                if injection.tokenIDs && !value.isNull { edits.replace(value.range, with: .null) }
            } else if recognised == nil {
                recognise(by: key, value, of: text)
            }
        }
        return chunk
    }

    /// Answers whether there are choices and each is there only because of the injection.
    private mutating func readChoices(with cursor: inout JSONCursor, of text: Span<UInt8>) throws(JSONError) -> Bool {
        try cursor.enterArray(in: text)
        var position = 0
        var areInjectedOnly = true
        while try cursor.nextElement(in: text) {
            if try cursor.peekKind(in: text) == .object {
                let isInjectedOnly = try readChoice(with: &cursor, of: text, position: position)
                areInjectedOnly = areInjectedOnly && isInjectedOnly
            } else {
                try cursor.skipValue(in: text)
                areInjectedOnly = false
            }
            position += 1
        }
        return position > 0 && areInjectedOnly
    }

    private mutating func readChoice(
        with cursor: inout JSONCursor, of text: Span<UInt8>, position: Int
    ) throws(JSONError) -> Bool {
        var visit = ChoiceVisit()
        var restorer = MemberRemover(objectAt: cursor.offset)
        var compactor = MemberRemover(objectAt: cursor.offset)
        let isCompacted = isWhole && policy.detail == .compact
        // `index` tells which choice the rest belongs to. Engines put it in front; if not, look ahead for it.
        let slot = try slot(of: cursor, in: text, position: position)
        choices[slot].fields.restart()
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            let isLogprobs = key.equals("logprobs", in: text)
            var isRemoved = false
            if isLogprobs && injection.topLogprobs != nil {
                if profile == .generic { try recogniseByEntries(at: cursor, of: text) }
                isRemoved = engine.logprobsOffForm == .absent
            }
            restorer.visit(key: key, isRemoved: isRemoved, edits: &edits)
            if isCompacted { compactor.visit(key: key, isRemoved: isLogprobs, edits: &compactEdits) }
            if isLogprobs {
                try readLogprobs(into: slot, with: &cursor, of: text, isRemoved: isRemoved, visit: &visit)
            } else {
                try readMember(key, into: slot, with: &cursor, of: text, visit: &visit)
            }
            restorer.endValue(at: cursor.offset)
            compactor.endValue(at: cursor.offset)
        }
        restorer.endObject(at: cursor.offset, edits: &edits)
        if isCompacted { compactor.endObject(at: cursor.offset, edits: &compactEdits) }
        choices[slot].tokens.endInstalment()
        if choices[slot].tokens.count > 0 || choices[slot].message.hasOutput { noteOutput() }
        return visit.isInjectedOnly && !asked.logprobs && !asked.tokenIDs
    }

    /// What has been seen of a choice in one event.
    private struct ChoiceVisit {
        var hasEmptyDelta = false
        var isFinished = false
        var hasInjectedData = false

        var isInjectedOnly: Bool { hasEmptyDelta && !isFinished && hasInjectedData }
    }

    private mutating func readMember(
        _ key: JSONString, into slot: Int, with cursor: inout JSONCursor, of text: Span<UInt8>,
        visit: inout ChoiceVisit
    ) throws(JSONError) {
        if key.equals("delta", in: text) {
            visit.hasEmptyDelta = try choices[slot].message.read(with: &cursor, of: text)
            return
        }
        let value = try cursor.skipValue(in: text)
        if key.equals("index", in: text) || key.equals("message", in: text) { return }
        if key.equals("token_ids", in: text) {
            recognise(.vllm)
            try choices[slot].tokens.readIDs(value, of: text)
            if injection.tokenIDs && !value.isNull {
                edits.replace(value.range, with: .null)
                visit.hasInjectedData = true
            }
            return
        }
        if key.equals("finish_reason", in: text) { visit.isFinished = !value.isNull }
        choices[slot].fields.put(key, value, of: text)
    }

    private mutating func readLogprobs(
        into slot: Int, with cursor: inout JSONCursor, of text: Span<UInt8>, isRemoved: Bool,
        visit: inout ChoiceVisit
    ) throws(JSONError) {
        guard try cursor.peekKind(in: text) == .object else {
            try cursor.skipValue(in: text)
            return
        }
        let start = cursor.offset
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            let isRefusal = key.equals("refusal", in: text)
            if isRefusal || key.equals("content", in: text) {
                try choices[slot].tokens.readEntries(with: &cursor, of: text, isRefusal: isRefusal)
            } else {
                try cursor.skipValue(in: text)
            }
        }
        guard injection.topLogprobs != nil else { return }
        visit.hasInjectedData = true
        if !isRemoved { edits.replace(start..<cursor.offset, with: .null) }
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
        choices.append(ChatChoice(index: index))
        return choices.count - 1
    }
}
