/// A rule of an extension point that an implementation breaks.
package struct ConformanceViolation: Error, Hashable, CustomStringConvertible, Sendable {
    /// What was tested: `chat.completions, "two tokens"`.
    package let subject: String
    /// What each implementation must do.
    package let rule: String
    /// What this one did instead; empty if the rule says it all.
    package let observed: String

    package var description: String { "\(subject): \(rule)\(observed.isEmpty ? "" : ": \(observed)")" }
}

/// Collects the violations of one subject.
struct ViolationList {
    private(set) var violations: [ConformanceViolation] = []
    private let subject: String

    init(_ subject: String) { self.subject = subject }

    mutating func check(_ isMet: Bool, _ rule: String, _ observed: @autoclosure () -> String = "") {
        if !isMet { violations.append(ConformanceViolation(subject: subject, rule: rule, observed: observed())) }
    }
}
