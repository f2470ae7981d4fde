import VerbatimJSON

/// The log-probability entries in the response that ends a stream, which repeat those of the deltas.
struct RepeatedEntries {
    /// The entries as the response has them.
    let entries: JSONList
    /// The response with null in their place.
    let rest: [UInt8]

    /// - Parameters:
    ///   - response: The JSON text of a response, which has been scanned before.
    ///   - tokens: What the deltas brought.
    /// - Returns: nil unless the response has exactly these tokens.
    init?(in response: [UInt8], of tokens: TokenCollector) {
        var found = TokenCollector(keepsEntries: true)
        var edits = JSONEdits()
        let text = response.span
        do throws(JSONError) {
            try Self.forEachPart(of: text) { cursor throws(JSONError) in
                try Self.forEachMember("logprobs", with: &cursor, of: text) { cursor throws(JSONError) in
                    let list = try LogprobsReader.readEntries(with: &cursor, of: text, as: .content) {
                        found.apply($0, of: text, isNormal: true)
                    }
                    if let list { edits.replace(list, with: .null) }
                }
            }
        } catch {
            return nil
        }
        guard tokens.isRepeated(by: found), let entries = found.entries else { return nil }
        self.entries = entries
        rest = edits.applied(to: text)
    }

    /// Passes the place of each part of the output's items.
    private static func forEachPart(
        of text: Span<UInt8>, _ body: (inout JSONCursor) throws(JSONError) -> Void
    ) throws(JSONError) {
        var cursor = JSONCursor(options: .nonFiniteNumbers)
        try forEachMember("output", with: &cursor, of: text) { cursor throws(JSONError) in
            try forEachElement(with: &cursor, of: text) { cursor throws(JSONError) in
                try forEachMember("content", with: &cursor, of: text) { cursor throws(JSONError) in
                    try forEachElement(with: &cursor, of: text, body)
                }
            }
        }
    }

    /// Passes the place of each value that has this name in the object at the cursor. `body` must pass over the value.
    private static func forEachMember(
        _ name: StaticString, with cursor: inout JSONCursor, of text: Span<UInt8>,
        _ body: (inout JSONCursor) throws(JSONError) -> Void
    ) throws(JSONError) {
        guard try cursor.peekKind(in: text) == .object else {
            try cursor.skipValue(in: text)
            return
        }
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            if key.equals(name, in: text) { try body(&cursor) } else { try cursor.skipValue(in: text) }
        }
    }

    private static func forEachElement(
        with cursor: inout JSONCursor, of text: Span<UInt8>, _ body: (inout JSONCursor) throws(JSONError) -> Void
    ) throws(JSONError) {
        guard try cursor.peekKind(in: text) == .array else {
            try cursor.skipValue(in: text)
            return
        }
        try cursor.enterArray(in: text)
        while try cursor.nextElement(in: text) { try body(&cursor) }
    }
}
