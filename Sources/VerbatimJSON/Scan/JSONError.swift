/// The reason why a text is not JSON, and the offset at which it was found.
package struct JSONError: Error, Hashable, Sendable {
    package enum Reason: String, Hashable, Sendable {
        case unexpectedEnd = "unexpected end of text"
        case unexpectedByte = "unexpected character"
        case invalidEscape = "invalid escape in a string"
        case controlCharacter = "unescaped control character in a string"
        case invalidUTF8 = "invalid UTF-8 in a string"
        case invalidNumber = "invalid number"
        case tooDeep = "nested too deeply"
        case trailingBytes = "something follows the value"
    }

    package let reason: Reason

    /// In bytes, from the start of the scanned text.
    package let offset: Int

    package init(_ reason: Reason, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }
}

extension JSONError: CustomStringConvertible {
    package var description: String { "\(reason.rawValue) at byte \(offset)" }
}
