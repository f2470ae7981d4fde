/// A rule of a protocol that an implementation breaks.
package struct ConformanceViolation: Error, Hashable, CustomStringConvertible, Sendable {
    /// What each implementation must do.
    package let rule: String
    /// What this one did instead.
    package let observed: String

    package var description: String { "\(rule): \(observed)" }
}
