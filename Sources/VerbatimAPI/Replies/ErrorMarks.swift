import VerbatimJSON

/// What shows that a document is an error although it has no field `error`: `{"object":"error","message":…}`,
/// `{"type":"error",…}`, `{"detail":…}`.
struct ErrorMarks {
    /// The document has a field `choices`, so that it is no error.
    var hasChoices = false
    private var isNamedError = false
    private var hasDetail = false
    private var hasMessage = false
    private var hasCode = false
    /// `{"type":"BadRequestError","message":…}`, `{"type":"rate_limit_error","message":…}`
    private var hasErrorType = false

    /// Notes a member of the document.
    mutating func note(_ key: JSONString, _ value: JSONValue, of text: Span<UInt8>) {
        if value.isNull { return }
        if key.equals("object", in: text) || key.equals("type", in: text) {
            if value.equals("error", in: text) { isNamedError = true }
            if key.equals("type", in: text), value.string(in: text)?.hasSuffix("rror") ?? false { hasErrorType = true }
        } else if key.equals("detail", in: text) {
            hasDetail = value.range.count > 2
        } else if key.equals("message", in: text) {
            hasMessage = value.kind == .string && value.range.count > 2
        } else if key.equals("code", in: text) || key.equals("status", in: text) {
            hasCode = true
        }
    }

    /// - Parameter isWhole: Whether the document is the body of a reply. An event may hold a message of another kind.
    func areOfAnError(isWhole: Bool) -> Bool {
        !hasChoices && (isNamedError || hasDetail || (hasMessage && (isWhole || hasCode || hasErrorType)))
    }
}

extension ErrorMarks {
    /// Whether a document of a type that its API does not know is an error.
    ///
    /// - Parameter isWhole: Whether the document is the body of a reply.
    static func areOfAnError(_ document: JSONObject, of text: Span<UInt8>, isWhole: Bool) -> Bool {
        var marks = ErrorMarks()
        for member in document.members { marks.note(member.key, member.value, of: text) }
        return marks.areOfAnError(isWhole: isWhole)
    }
}
