/// The kind of a JSON value.
package enum JSONKind: Hashable, Sendable {
    case object, array, string, number, `true`, `false`, null

    /// `NaN`, `Infinity` or `-Infinity`. These are not JSON, but some Python servers send them.
    case nonFinite

    /// Written out so that other modules can inline it. The synthesized `==` is called through a witness table, and it
    /// would be called for each value of each event.
    @inlinable package static func == (left: JSONKind, right: JSONKind) -> Bool { left.ordinal == right.ordinal }

    @inlinable package var ordinal: Int {
        switch self {
        case .object: 0
        case .array: 1
        case .string: 2
        case .number: 3
        case .true: 4
        case .false: 5
        case .null: 6
        case .nonFinite: 7
        }
    }

    package var isBool: Bool { self == .true || self == .false }
    package var isContainer: Bool { self == .object || self == .array }
}
