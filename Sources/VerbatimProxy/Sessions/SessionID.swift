/// What may be the name of a session: 1 to 200 ASCII letters, digits and `-_.:@+=~`, and neither `.` nor `..`.
///
/// So an id can be a part of a path or the name of a file, and breaks no log line.
package enum SessionID {
    /// In bytes.
    package static let maximumLength = 200

    /// The rule, for whoever broke it. It does not repeat the id, which may be anything.
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
