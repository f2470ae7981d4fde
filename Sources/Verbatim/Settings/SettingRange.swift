/// The values that a setting may have.
struct SettingRange<Value: Sendable>: Sendable {
    /// For the documentation, such as `0 to 20`.
    let text: String
    /// Completes "*setting* must …"; nil if the value is within the range.
    let violation: @Sendable (Value) -> String?
}

extension SettingRange where Value == Int {
    /// - Parameter syntax: How the documentation writes the bounds.
    static func numbers(_ range: ClosedRange<Int>, syntax: SettingSyntax<Int> = .number) -> SettingRange {
        let (lower, upper) = (range.lowerBound, range.upperBound)
        let hasLimit = upper != .max
        return SettingRange(
            text: hasLimit ? "\(syntax.format(lower)) to \(syntax.format(upper))" : "at least \(syntax.format(lower))"
        ) { value in
            if range.contains(value) { return nil }
            return "be \(hasLimit ? "between \(lower) and \(upper)" : "at least \(lower)"), not \(value)"
        }
    }
}

extension SettingRange where Value == Duration {
    static let positive = SettingRange(text: "more than 0") { value in
        // A hundred years. The clock's arithmetic would overflow far beyond it.
        value > .zero && value <= .seconds(100 * 365 * 86_400) ? nil : "be a positive number of seconds"
    }

    static let notNegative = SettingRange(text: "0 or more") { value in
        value < .zero ? "not be negative" : nil
    }
}

extension SettingRange where Value: CaseIterable & LosslessStringConvertible {
    /// Every value of the type.
    static var all: SettingRange {
        SettingRange(text: Value.allCases.map(\.description).joined(separator: ", ")) { _ in nil }
    }
}
