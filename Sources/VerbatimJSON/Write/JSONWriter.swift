/// Writes JSON text. The caller names members and values; the writer adds quotes, escapes, colons and commas.
///
///     let body = JSONWriter.bytes { json in
///         json.object { json in
///             json.member("status", "degraded")
///             json.member("refused", 2)
///             json.array("problems") { json in problems.forEach { json.value($0) } }
///         }
///     }
///
/// There is no white space between tokens, and the text is a single line in the eyes of every reader
/// (``Swift/Array/appendJSONString(_:)``), unless text passed to ``raw(_:)`` breaks it.
package struct JSONWriter: Sendable {
    private var bytes: [UInt8] = []
    /// True after a value, when another one in the same container must be separated from it.
    private var needsComma = false
    /// What ``normalized(_:)`` could not keep.
    package private(set) var losses: JSONNormalizer.Losses = []

    private init() {}

    /// The text that `write` writes.
    package static func bytes(_ write: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter()
        write(&writer)
        return writer.bytes
    }

    /// The text that `write` writes.
    package static func string(_ write: (inout JSONWriter) -> Void) -> String {
        String(decoding: bytes(write), as: UTF8.self)
    }

    /// Appends the text that `write` writes to `bytes`.
    package static func append(to bytes: inout [UInt8], _ write: (inout JSONWriter) -> Void) {
        var writer = JSONWriter()
        swap(&writer.bytes, &bytes)
        write(&writer)
        swap(&writer.bytes, &bytes)
    }

    // MARK: Containers

    /// Writes an object; `write` writes its members.
    package mutating func object(_ write: (inout JSONWriter) -> Void) {
        open(UInt8(ascii: "{"))
        write(&self)
        close(UInt8(ascii: "}"))
    }

    /// Writes an array; `write` writes its elements.
    package mutating func array(_ write: (inout JSONWriter) -> Void) {
        open(UInt8(ascii: "["))
        write(&self)
        close(UInt8(ascii: "]"))
    }

    /// Writes a member's name. Its value must follow.
    package mutating func key(_ name: StaticString) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        name.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// Writes a member's name that is known only at run time. Its value must follow.
    package mutating func key(named name: String) {
        separate()
        bytes.appendJSONString(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    // MARK: Values

    package mutating func null() { literal("null") }

    package mutating func value(_ value: Bool) { literal(value ? "true" : "false") }

    /// Writes a string, or null.
    package mutating func value(_ value: String?) {
        guard let value else { return null() }
        separate()
        bytes.appendJSONString(value)
        needsComma = true
    }

    /// Writes a number, or null.
    package mutating func value(_ value: Int?) {
        guard let value else { return null() }
        separate()
        bytes.appendDecimal(value)
        needsComma = true
    }

    /// Writes text that is one JSON value already, as it is.
    package mutating func raw(_ json: [UInt8]) {
        raw { $0.append(contentsOf: json) }
    }

    /// Writes text that is one JSON value already, normalized (``JSONNormalizer``); null if there is none.
    package mutating func normalized(_ json: [UInt8]?) {
        guard let json, !json.isEmpty else { return null() }
        normalized { JSONNormalizer.append(json.indices, of: json.span, to: &$0) }
    }

    /// Writes the value whose JSON text `append` appends.
    package mutating func raw(_ append: (inout [UInt8]) -> Void) {
        separate()
        append(&bytes)
        needsComma = true
    }

    /// Writes the value whose normalized JSON text `append` appends. `append` returns what was lost.
    package mutating func normalized(_ append: (inout [UInt8]) -> JSONNormalizer.Losses) {
        separate()
        losses.formUnion(append(&bytes))
        needsComma = true
    }

    private mutating func literal(_ text: StaticString) {
        separate()
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
        needsComma = true
    }

    // MARK: Punctuation

    private mutating func open(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    @inline(__always)
    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
    }
}

// MARK: Members

extension JSONWriter {
    /// Writes a member that is an object; `write` writes its members.
    package mutating func object(_ name: StaticString, _ write: (inout JSONWriter) -> Void) {
        key(name)
        object(write)
    }

    /// Writes a member that is an array; `write` writes its elements.
    package mutating func array(_ name: StaticString, _ write: (inout JSONWriter) -> Void) {
        key(name)
        array(write)
    }

    /// Writes a member that is true or false.
    package mutating func member(_ name: StaticString, _ value: Bool) {
        key(name)
        self.value(value)
    }

    /// Writes a member that is a string, or null.
    package mutating func member(_ name: StaticString, _ value: String?) {
        key(name)
        self.value(value)
    }

    /// Writes a member that is a number, or null.
    package mutating func member(_ name: StaticString, _ value: Int?) {
        key(name)
        self.value(value)
    }

    /// Writes a member whose value is `json`, normalized; null if there is none.
    package mutating func member(_ name: StaticString, normalizing json: [UInt8]?) {
        key(name)
        normalized(json)
    }

    /// Writes a member that is an array of strings.
    package mutating func member(_ name: StaticString, _ values: [String]) {
        array(name) { json in
            for value in values { json.value(value) }
        }
    }
}
