/// A text that is not a value of its setting.
package struct SettingError: Error {
    /// Completes "expected …".
    package let expectation: String
}

/// How the values of one type are written, on the command line as in the environment and the documentation.
struct SettingSyntax<Value: Sendable>: Sendable {
    let parse: @Sendable (String) throws(SettingError) -> Value
    let format: @Sendable (Value) -> String
}

extension SettingSyntax where Value == String {
    static let text = SettingSyntax {
        $0
    } format: {
        $0
    }
}

extension SettingSyntax where Value == Int {
    static let number = SettingSyntax { text throws(SettingError) in
        guard let number = Int(text) else { throw SettingError(expectation: "a whole number") }
        return number
    } format: {
        String($0)
    }

    /// A number, or a number followed by `K`, `M` or `G`, which multiply by powers of 1024; `B` or `iB` may follow.
    static let bytes = SettingSyntax { text throws(SettingError) in
        var digits = text.uppercased().filter { $0 != " " }[...]
        for suffix in ["IB", "B"] where digits.hasSuffix(suffix) {
            digits = digits.dropLast(suffix.count)
            break
        }
        var unit = 1
        if let letter = digits.last, let index = Array("KMG").firstIndex(of: letter) {
            unit = 1 << (10 * (index + 1))
            digits = digits.dropLast()
        }
        guard let number = Int(digits) else {
            throw SettingError(expectation: "a number of bytes such as 1048576 or 64M")
        }
        let (product, overflow) = number.multipliedReportingOverflow(by: unit)
        if overflow { throw SettingError(expectation: "a number of bytes that fits") }
        return product
    } format: { bytes in
        for (index, unit) in ["GiB", "MiB", "KiB"].enumerated() {
            let size = 1 << (10 * (3 - index))
            if bytes >= size, bytes % size == 0 { return "\(bytes / size) \(unit)" }
        }
        return String(bytes)
    }
}

extension SettingSyntax where Value == Duration {
    /// Seconds, with decimals if wanted; kept to the millisecond.
    static let seconds = SettingSyntax { text throws(SettingError) in
        guard let number = Double(text), number.isFinite, abs(number) < 1e10 else {
            throw SettingError(expectation: "a number of seconds")
        }
        return .milliseconds(Int64((number * 1000).rounded()))
    } format: { duration in
        let (seconds, attoseconds) = duration.components
        return attoseconds == 0 ? "\(seconds)" : "\(duration / .seconds(1))"
    }
}

extension SettingSyntax where Value == Bool {
    static let toggle = SettingSyntax { text throws(SettingError) in
        switch text.lowercased() {
        case "0", "false", "no", "off": return false
        case "1", "true", "yes", "on": return true
        default: throw SettingError(expectation: "1 or 0")
        }
    } format: {
        $0 ? "on" : "off"
    }
}

extension SettingSyntax where Value: CaseIterable & LosslessStringConvertible {
    static var choice: SettingSyntax {
        SettingSyntax { text throws(SettingError) in
            guard let choice = Value(text) else {
                throw SettingError(expectation: "one of " + Value.allCases.map(\.description).joined(separator: ", "))
            }
            return choice
        } format: {
            $0.description
        }
    }
}
