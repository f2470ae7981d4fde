import VerbatimJSON

// How a response, an item and a part of one are walked through: captured and restored on the same way.

/// A walk through a response or a part of one.
struct ResponseVisit {
    /// How log-probabilities look there when they are off.
    var offForm = EngineProfile.DisabledRepresentation.null
    /// Whether the event has not come before.
    var isCaptured = false
    /// Whether this is the whole reply or what ends the stream.
    var isFinal = false
    /// Whether log-probabilities are captured.
    var readsEntries = false
    /// Splices that take log-probabilities out of the record.
    var compact = JSONEdits()
    /// Whether the object is known to be a response.
    var isResponse = false
}

extension ResponsesReplyParser {
    /// What has been found in an item.
    struct FoundItem {
        var id: JSONValue?
        /// The call of a tool.
        var isCall = false
    }

    var offForm: EngineProfile.DisabledRepresentation { state.engine.logprobsOffForm(in: .responses) }

    private var undoesLogprobs: Bool { state.injection.topLogprobs != nil }

    // MARK: Responses

    mutating func readResponse(
        with cursor: inout JSONCursor, of text: Span<UInt8>, visit: inout ResponseVisit
    ) throws(JSONError) {
        var error: JSONValue?
        var failure: JSONValue?
        fields.restart()
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            if key.equals("output", in: text) {
                try readOutput(with: &cursor, of: text, visit: &visit)
                continue
            }
            let isOutput = key.equals("output_messages", in: text)
            if isOutput || key.equals("input_messages", in: text) {
                try readMessages(with: &cursor, of: text, visit: visit, isOutput: isOutput)
                continue
            }
            let value = try cursor.skipValue(in: text)
            if key.equals("error", in: text) {
                error = value
            } else if key.equals("object", in: text) {
                if value.equals("response", in: text) { visit.isResponse = true }
            } else if key.equals("top_logprobs", in: text) {
                let own = echoes.topLogprobs(
                    insteadOf: value, of: text, after: state.injection, engine: state.engine)
                if let own { state.edits.replace(value.range, with: .bytes(own)) }
            } else if key.equals("include", in: text) {
                let own = echoes.include(insteadOf: value, of: text, after: state.injection)
                if let own { state.edits.replace(value.range, with: .bytes(own)) }
            } else if visit.isCaptured && Self.isKept(key, in: text) {
                fields.put(key, value, of: text)
                if key.equals("status", in: text) && value.equals("failed", in: text) { failure = value }
            }
        }
        guard visit.isFinal else { return }
        if let error { state.noteError(error, of: text) }
        if state.error == nil, let failure { state.noteError(failure, of: text) }
    }

    private static func isKept(_ key: JSONString, in text: Span<UInt8>) -> Bool {
        key.equals("id", in: text) || key.equals("model", in: text) || key.equals("status", in: text)
            || key.equals("usage", in: text) || key.equals("incomplete_details", in: text)
    }

    private mutating func readOutput(
        with cursor: inout JSONCursor, of text: Span<UInt8>, visit: inout ResponseVisit
    ) throws(JSONError) {
        guard try cursor.peekKind(in: text) == .array else {
            try cursor.skipValue(in: text)
            return
        }
        visit.isResponse = true
        try cursor.enterArray(in: text)
        while try cursor.nextElement(in: text) {
            if visit.isFinal { state.hasOutput = true }
            if try cursor.peekKind(in: text) == .object {
                _ = try readItem(with: &cursor, of: text, visit: &visit)
            } else {
                try cursor.skipValue(in: text)
            }
        }
    }

    // MARK: Items and their parts

    mutating func readItem(
        with cursor: inout JSONCursor, of text: Span<UInt8>, visit: inout ResponseVisit
    ) throws(JSONError) -> FoundItem {
        var found = FoundItem()
        var type: JSONValue?
        var hasText = false
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            let isContent = key.equals("content", in: text)
            if isContent, try cursor.peekKind(in: text) == .array {
                if try readContent(with: &cursor, of: text, visit: &visit) { hasText = true }
                continue
            }
            let value = try cursor.skipValue(in: text)
            if key.equals("type", in: text) {
                type = value
            } else if key.equals("id", in: text) {
                found.id = value
            } else if key.equals("summary", in: text) && value.kind == .array && !value.isEmptyArray(in: text) {
                hasText = true
            }
        }
        // function_call, custom_tool_call, web_search_call, …
        found.isCall = type?.string(in: text)?.hasSuffix("_call") ?? false
        let isReasoning = type?.equals("reasoning", in: text) ?? false
        if found.isCall || (isReasoning && hasText) { hasHiddenParts = true }
        return found
    }

    /// Answers whether there are any parts.
    private mutating func readContent(
        with cursor: inout JSONCursor, of text: Span<UInt8>, visit: inout ResponseVisit
    ) throws(JSONError) -> Bool {
        var hasParts = false
        try cursor.enterArray(in: text)
        while try cursor.nextElement(in: text) {
            hasParts = true
            try readPart(with: &cursor, of: text, visit: &visit)
        }
        return hasParts
    }

    mutating func readPart(
        with cursor: inout JSONCursor, of text: Span<UInt8>, visit: inout ResponseVisit
    ) throws(JSONError) {
        guard try cursor.peekKind(in: text) == .object else {
            try cursor.skipValue(in: text)
            return
        }
        var restorer = MemberRemover(objectAt: cursor.offset)
        var compactor = MemberRemover(objectAt: cursor.offset)
        let isCompacted = state.policy.detail == .compact
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            let isLogprobs = key.equals("logprobs", in: text)
            let isRemoved = isLogprobs && undoesLogprobs && visit.offForm == .absent
            restorer.visit(key: key, isRemoved: isRemoved, edits: &state.edits)
            if isCompacted { compactor.visit(key: key, isRemoved: isLogprobs, edits: &visit.compact) }
            if isLogprobs {
                try readLogprobs(with: &cursor, of: text, visit: visit)
            } else {
                try cursor.skipValue(in: text)
            }
            restorer.endValue(at: cursor.offset)
            compactor.endValue(at: cursor.offset)
        }
        restorer.endObject(at: cursor.offset, edits: &state.edits)
        if isCompacted { compactor.endObject(at: cursor.offset, edits: &visit.compact) }
    }

    // MARK: Token data

    mutating func readLogprobs(
        with cursor: inout JSONCursor, of text: Span<UInt8>, visit: ResponseVisit
    ) throws(JSONError) {
        var ahead = cursor
        let kind = try ahead.peekKind(in: text)
        let start = ahead.offset
        if visit.readsEntries && kind == .array {
            // Only events of chat completions are known by their form.
            var notes: EventNotes?
            try tokens.readEntries(with: &cursor, of: text, isRefusal: false, notes: &notes)
        } else {
            try cursor.skipValue(in: text)
        }
        let value = JSONValue(kind: kind, range: start..<cursor.offset)
        if !undoesLogprobs || value.isNull || value.isEmptyArray(in: text) { return }
        switch visit.offForm {
        case .null: state.edits.replace(value.range, with: .null)
        case .emptyArray: state.edits.replace(value.range, with: .bytes(Array("[]".utf8)))
        case .absent: break
        }
    }

    /// Reads vLLM's lists of messages: `[{"type":"raw_message_tokens","message":"…","tokens":[…]}]`. Its Harmony
    /// messages have no tokens.
    private mutating func readMessages(
        with cursor: inout JSONCursor, of text: Span<UInt8>, visit: ResponseVisit, isOutput: Bool
    ) throws(JSONError) {
        let messages = try cursor.skipValue(in: text)
        if !state.injection.ids.isEmpty && !messages.isNull { state.edits.replace(messages.range, with: .null) }
        guard visit.isFinal, visit.isCaptured, messages.kind == .array else { return }
        let lists = try Self.tokenLists(of: messages, in: text)
        if isOutput {
            for list in lists where !list.isEmptyArray(in: text) { try tokens.readWholeIDs(list, of: text) }
        } else if lists.count == 1, let list = lists.first, list.kind == .array {
            promptTokenIDs = JSONNormalizer.normalized(list.range, of: text)
        }
    }

    /// The `tokens` of each raw message.
    private static func tokenLists(of messages: JSONValue, in text: Span<UInt8>) throws(JSONError) -> [JSONValue] {
        var lists: [JSONValue] = []
        var cursor = JSONCursor(at: messages.range.lowerBound, options: .nonFiniteNumbers)
        try cursor.enterArray(in: text)
        while try cursor.nextElement(in: text) {
            guard try cursor.peekKind(in: text) == .object else {
                try cursor.skipValue(in: text)
                continue
            }
            var isRaw = false
            var list: JSONValue?
            try cursor.enterObject(in: text)
            while let key = try cursor.nextKey(in: text) {
                let value = try cursor.skipValue(in: text)
                if key.equals("type", in: text) { isRaw = value.equals("raw_message_tokens", in: text) }
                if key.equals("tokens", in: text) { list = value }
            }
            if isRaw, let list { lists.append(list) }
        }
        return lists
    }
}

extension JSONValue {
    fileprivate func isEmptyArray(in text: Span<UInt8>) -> Bool {
        guard kind == .array else { return false }
        for index in range.dropFirst() where text[index] > 0x20 { return text[index] == UInt8(ascii: "]") }
        return false
    }
}
