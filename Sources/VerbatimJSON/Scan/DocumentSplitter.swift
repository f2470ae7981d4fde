import VerbatimPlatform

/// Finds the JSON objects in bytes of any form that arrive in pieces of any size: one object a line, an array of them,
/// or an object with other text before or behind it.
///
/// The caller keeps the bytes that belong to no unit yet and passes them to ``nextUnit(in:)`` again, followed by the
/// bytes that have arrived since. No byte is scanned twice. The units, joined together, are the text, byte for byte.
/// Whether an object is valid JSON is not checked.
package struct DocumentSplitter: Sendable {
    package struct Unit: Hashable, Sendable {
        package enum Kind: Hashable, Sendable {
            /// An object.
            case document
            /// `[DONE]`
            case done
            /// What stands between objects.
            case filler
        }

        package let kind: Kind
        /// The length in bytes.
        package let length: Int
    }

    /// The objects and arrays that are open, of an object at the top.
    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    /// The number of bytes at the front that have been scanned.
    private var scanned = 0
    /// How many objects have begun.
    package private(set) var documents = 0

    package init() {}

    /// Returns the next complete unit at the front of `bytes`, or nil if more bytes are needed.
    package mutating func nextUnit(in bytes: Span<UInt8>) -> Unit? {
        if depth == 0 {
            var end = 0
            while end < bytes.count, bytes[end] != UInt8(ascii: "{") {
                if bytes[end] == UInt8(ascii: "[") {
                    let length = bytes.matchLength(of: Self.done, at: end)
                    let isWhole = length == Self.done.utf8CodeUnitCount
                    if isWhole || length == bytes.count - end {
                        if end > 0 { break }
                        return isWhole ? Unit(kind: .done, length: length) : nil
                    }
                }
                end += 1
            }
            if end > 0 { return Unit(kind: .filler, length: end) }
        }
        while scanned < bytes.count {
            read(bytes[scanned])
            scanned += 1
            if depth == 0 {
                defer { scanned = 0 }
                return Unit(kind: .document, length: scanned)
            }
        }
        return nil
    }

    private static let done: StaticString = "[DONE]"

    /// Reads bytes whose units are of no interest, to count the documents.
    package mutating func count(in bytes: Span<UInt8>) {
        for index in bytes.indices { read(bytes[index]) }
    }

    @inline(__always)
    private mutating func read(_ byte: UInt8) {
        if isInString {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isInString = false
            }
            return
        }
        switch byte {
        case UInt8(ascii: "{"):
            if depth == 0 { documents += 1 }
            depth += 1
        case UInt8(ascii: "}"): if depth > 0 { depth -= 1 }
        case UInt8(ascii: "\""): isInString = depth > 0
        default: break
        }
    }
}
