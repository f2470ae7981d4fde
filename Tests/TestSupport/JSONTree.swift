import Foundation

/// The value of a JSON text in a form that can be compared: Foundation's objects have no equality in Swift.
package indirect enum JSONTree: Hashable {
    case null
    case bool(Bool)
    /// As Foundation prints the number it read.
    case number(String)
    /// UTF-8: `String` would take canonically equivalent texts for equal.
    case string([UInt8])
    case array([JSONTree])
    case object([[UInt8]: JSONTree])

    /// Reads `text` with Foundation, as it is.
    package init(parsing text: [UInt8]) throws {
        self.init(try JSONSerialization.jsonObject(with: Data(text), options: .fragmentsAllowed))
    }

    package init(_ value: Any) {
        switch value {
        // A cast to a class of Foundation comes last: it converts whole arrays and dictionaries.
        case let string as String: self = .string(Array(string.utf8))
        case let array as [Any]: self = .array(array.map(JSONTree.init))
        case let object as [String: Any]:
            self = .object(Dictionary(uniqueKeysWithValues: object.map { (Array($0.key.utf8), JSONTree($0.value)) }))
        case let number as NSNumber:
            // Foundation's booleans are numbers of type `char`, which no number in a JSON text is.
            let isBool = number.objCType.pointee == CChar(UInt8(ascii: "c"))
            self = isBool ? .bool(number.boolValue) : .number(number.stringValue)
        case is NSNull: self = .null
        default: fatalError("not from JSONSerialization: \(value)")
        }
    }

    /// The members, if this is an object.
    package var members: [[UInt8]: JSONTree]? {
        if case .object(let members) = self { members } else { nil }
    }

    /// The same value without the members of the given names, at any depth.
    package func removing(_ names: Set<String>) -> JSONTree {
        switch self {
        case .array(let elements): .array(elements.map { $0.removing(names) })
        case .object(let members):
            .object(
                members.filter { !names.contains(String(decoding: $0.key, as: UTF8.self)) }
                    .mapValues { $0.removing(names) }
            )
        default: self
        }
    }
}
