/// The rule for names of sessions: 1 to 200 ASCII letters, digits and `-_.:@+=~`, and neither `.` nor `..`.
///
/// An id can therefore be a path segment, a file name and a word of a log line.
package enum SessionID {
    /// In bytes.
    package static let maximumLength = 200

    /// The rule as an error message. It does not repeat the id, which may hold anything.
    package static let rule =
        "a session id must be 1 to \(maximumLength) ASCII letters, digits and -_.:@+=~, and neither '.' nor '..'"

    package static func isValid(_ text: String) -> Bool {
        1...maximumLength ~= text.utf8.count && text != "." && text != ".." && text.utf8.allSatisfy(isAllowed)
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "@"),
            UInt8(ascii: "+"), UInt8(ascii: "="), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
