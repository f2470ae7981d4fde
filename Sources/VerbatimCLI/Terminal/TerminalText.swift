import VerbatimPlatform

/// Text styles of a terminal. With colors off, the text itself.
struct TerminalStyle: Sendable {
    let isOn: Bool

    func bold(_ text: String) -> String { styled(text, "1") }
    func dim(_ text: String) -> String { styled(text, "2") }

    /// On one of the 256 colors.
    func onBackground(_ color: Int, _ text: String) -> String { styled(text, "38;5;255;48;5;\(color)") }

    private func styled(_ text: String, _ codes: String) -> String {
        isOn && !text.isEmpty ? "\u{1B}[\(codes)m\(text)\u{1B}[0m" : text
    }
}

extension String {
    /// The text with control characters made visible, so that a model cannot control the terminal. Keeps line breaks
    /// and tabs.
    var printable: String {
        guard unicodeScalars.contains(where: \.isControl) else { return self }
        var result = ""
        for scalar in unicodeScalars {
            if scalar.isControl { result += scalar.escaped } else { result.unicodeScalars.append(scalar) }
        }
        return result
    }

    /// Whether the text can be a value on a line of fields without quotes.
    var isPlain: Bool {
        unicodeScalars.allSatisfy {
            !$0.isControl && !$0.properties.isWhitespace && $0 != "\"" && $0 != "="
        }
    }

    /// The text on one line, in quotes.
    var quoted: String {
        var result = "\""
        for scalar in unicodeScalars {
            switch scalar {
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            default:
                if scalar.isControl { result += scalar.escaped } else { result.unicodeScalars.append(scalar) }
            }
        }
        return result + "\""
    }

    /// The beginning of a long text, and the number of characters left out.
    func shortened(toLines maximumLines: Int, characters maximumCharacters: Int) -> String {
        let lines = split(separator: "\n", omittingEmptySubsequences: false)
        var result = lines.prefix(maximumLines).joined(separator: "\n")
        if result.count > maximumCharacters { result = String(result.prefix(maximumCharacters)) }
        let left = count - result.count
        return left > 0 ? "\(result)… (\(left) more characters)" : result
    }

    func leftPadded(to width: Int) -> String {
        String(repeating: " ", count: max(0, width - count)) + self
    }

    func rightPadded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }

}

extension Unicode.Scalar {
    /// Whether it controls a terminal: a control character other than line break and tab, a line separator, or a change
    /// of the writing direction.
    fileprivate var isControl: Bool {
        switch value {
        case 0x0A, 0x09: false
        case 0x00...0x1F, 0x7F...0x9F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }

    fileprivate var escaped: String { "\\u{\(String(value, radix: 16))}" }
}

extension Double {
    /// The number with this many decimals.
    func fixed(_ decimals: Int) -> String {
        guard isFinite, magnitude < 1e15 else { return "\(self)" }
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        let scaled = (magnitude * scale).rounded()
        guard scaled < 9e18 else { return "\(self)" }
        let digits = String(Int(scaled))
        let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
        let sign = self < 0 && scaled > 0 ? "-" : ""
        return decimals == 0 ? sign + padded : sign + padded.dropLast(decimals) + "." + padded.suffix(decimals)
    }

    /// The probability that has this logarithm.
    var probability: Double { exp(self) }
}

/// `1 turn`, `2 turns`.
func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
