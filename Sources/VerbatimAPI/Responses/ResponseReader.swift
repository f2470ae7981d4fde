import VerbatimJSON

/// Walks a response, an item or a part of one: captures it and notes the edits that restore it.
struct ResponseReader: Sendable {
    /// How a walk is to be made, and what it has found.
    struct Visit {
        /// How log-probabilities look there when they are off.
        var disabledLogprobs = EngineProfile.ValueWhenOff.null
        /// Whether the event has not come before.
        var isCaptured = false
        /// Whether this is the whole reply or what ends the stream.
        var isFinal = false
        /// Whether log-probabilities are captured.
        var readsEntries = false
        /// Splices that take log-probabilities out of the response that is recorded.
        var compact = JSONEdits()
        /// Whether the object is known to be a response.
        var isResponse = false
    }

    /// What has been found in an item.
    struct FoundItem {
        var id: JSONValue?
        var callID: JSONValue?
        /// The item is a tool call.
        var isCall = false
    }

    private let echoes: ResponseEchoes

    init(echoes: ResponseEchoes) { self.echoes = echoes }

    // MARK: Responses

    func readResponse(
        with cursor: inout JSONCursor, of text: Span<UInt8>, visit: inout Visit, reply: inout ResponsesReply,
        state: inout ReplyState
    ) throws(JSONError) {
        var error: JSONValue?
        var failure: JSONValue?
        reply.beginFields()
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            if key.equals("output", in: text) {
                try readOutput(with: &cursor, of: text, visit: &visit, reply: &reply, state: &state)
                continue
            }
            let isOutput = key.equals("output_messages", in: text)
            if isOutput || key.equals("input_messages", in: text) {
                try readMessages(
                    with: &cursor, of: text, visit: visit, isOutput: isOutput, reply: &reply, state: &state)
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
            } else if visit.isCaptured {
                reply.setField(key, value, of: text)
                if key.equals("status", in: text) && value.equals("failed", in: text) { failure = value }
            }
        }
        guard visit.isFinal else { return }
        if let error { state.noteError(error, of: text) }
        if state.error == nil, let failure { state.noteError(failure, of: text) }
    }

    private func readOutput(
        with cursor: inout JSONCursor, of text: Span<UInt8>, visit: inout Visit, reply: inout ResponsesReply,
        state: inout ReplyState
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
                _ = try readItem(with: &cursor, of: text, visit: &visit, reply: &reply, state: &state)
            } else {
                try cursor.skipValue(in: text)
            }
        }
    }

    // MARK: Items and their parts

    func readItem(
        with cursor: inout JSONCursor, of text: Span<UInt8>, visit: inout Visit, reply: inout ResponsesReply,
        state: inout ReplyState
    ) throws(JSONError) -> FoundItem {
        var found = FoundItem()
        var type: JSONValue?
        var hasText = false
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            let isContent = key.equals("content", in: text)
            if isContent, try cursor.peekKind(in: text) == .array {
                if try readContent(with: &cursor, of: text, visit: &visit, reply: &reply, state: &state) {
                    hasText = true
                }
                continue
            }
            let value = try cursor.skipValue(in: text)
            if key.equals("type", in: text) {
                type = value
            } else if key.equals("id", in: text) {
                found.id = value
            } else if key.equals("call_id", in: text) {
                found.callID = value
            } else if key.equals("summary", in: text) && value.kind == .array && !value.isEmptyArray(in: text) {
                hasText = true
            }
        }
        // function_call, custom_tool_call, web_search_call, …
        found.isCall = type?.string(in: text)?.hasSuffix("_call") ?? false
        let isReasoning = type?.equals("reasoning", in: text) ?? false
        if found.isCall || (isReasoning && hasText) { reply.noteHiddenPart() }
        let isMessage = type?.equals("message", in: text) ?? true
        if hasText || !(isMessage || isReasoning) { reply.noteContent() }
        return found
    }

    /// Returns whether there are any parts.
    private func readContent(
        with cursor: inout JSONCursor, of text: Span<UInt8>, visit: inout Visit, reply: inout ResponsesReply,
        state: inout ReplyState
    ) throws(JSONError) -> Bool {
        var hasParts = false
        try cursor.enterArray(in: text)
        while try cursor.nextElement(in: text) {
            hasParts = true
            try readPart(with: &cursor, of: text, visit: &visit, reply: &reply, state: &state)
        }
        return hasParts
    }

    func readPart(
        with cursor: inout JSONCursor, of text: Span<UInt8>, visit: inout Visit, reply: inout ResponsesReply,
        state: inout ReplyState
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
            let isRemoved = isLogprobs && state.injectsLogprobs && visit.disabledLogprobs == .absent
            restorer.visit(key: key, isRemoved: isRemoved, edits: &state.edits)
            if isCompacted { compactor.visit(key: key, isRemoved: isLogprobs, edits: &visit.compact) }
            if isLogprobs {
                try readLogprobs(with: &cursor, of: text, visit: &visit, reply: &reply, state: &state)
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

    func readLogprobs(
        with cursor: inout JSONCursor, of text: Span<UInt8>, visit: inout Visit, reply: inout ResponsesReply,
        state: inout ReplyState
    ) throws(JSONError) {
        var ahead = cursor
        let kind = try ahead.peekKind(in: text)
        let start = ahead.offset
        if visit.readsEntries && kind == .array {
            let isNormal = cursor.isNormal
            let entries = try LogprobsReader.readEntries(with: &cursor, of: text, as: .content) {
                reply.apply($0, of: text, isNormal: isNormal)
            }
            // What a stream repeats at its end is compared first (`RepeatedEntries`).
            if let entries, state.isWhole, state.policy.detail == .entries {
                visit.compact.replace(entries, with: .null)
            }
        } else {
            try cursor.skipValue(in: text)
        }
        let value = JSONValue(kind: kind, range: start..<cursor.offset)
        if !state.injectsLogprobs || value.isNull || value.isEmptyArray(in: text) { return }
        switch visit.disabledLogprobs {
        case .null: state.edits.replace(value.range, with: .null)
        case .emptyArray: state.edits.replace(value.range, with: .bytes(Array("[]".utf8)))
        case .absent: break
        }
    }

    /// Reads vLLM's lists of messages: `[{"type":"raw_message_tokens","message":"…","tokens":[…]}]`. Its Harmony
    /// messages have no tokens.
    private func readMessages(
        with cursor: inout JSONCursor, of text: Span<UInt8>, visit: Visit, isOutput: Bool, reply: inout ResponsesReply,
        state: inout ReplyState
    ) throws(JSONError) {
        let messages = try cursor.skipValue(in: text)
        if !state.injection.ids.isEmpty && !messages.isNull { state.edits.replace(messages.range, with: .null) }
        guard visit.isFinal, visit.isCaptured, messages.kind == .array else { return }
        let lists = try Self.tokenLists(of: messages, in: text)
        if isOutput {
            for list in lists where !list.isEmptyArray(in: text) { try reply.appendTokenIDs(list, of: text) }
        } else if lists.count == 1, let list = lists.first, list.kind == .array {
            reply.setPromptTokenIDs(list, of: text)
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
