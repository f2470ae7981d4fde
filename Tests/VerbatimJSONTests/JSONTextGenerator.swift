import TestSupport

/// Writes random JSON texts with every kind of value, white space, escape and number that the grammar allows.
struct JSONTextGenerator {
    /// Features on which readers of JSON differ.
    struct Extras: OptionSet {
        let rawValue: Int
        static let nonFiniteNumbers = Extras(rawValue: 1)
        static let invalidUTF8 = Extras(rawValue: 2)
        static let loneSurrogates = Extras(rawValue: 4)
        static let hugeNumbers = Extras(rawValue: 8)
    }

    var random: SeededGenerator
    let extras: Extras
    let maximumDepth: Int

    init(seed: UInt64, extras: Extras = [], maximumDepth: Int = 4) {
        random = SeededGenerator(seed: seed)
        self.extras = extras
        self.maximumDepth = maximumDepth
    }

    /// Returns a value with white space around it.
    mutating func document() -> [UInt8] { whitespace() + value() + whitespace() }

    mutating func value(depth: Int = 0) -> [UInt8] {
        switch random.int(0...(depth < maximumDepth ? 11 : 7)) {
        case 0: return "null".bytes
        case 1: return "true".bytes
        case 2: return "false".bytes
        case 3, 4: return number()
        case 5...7: return string()
        case 8, 9: return array(depth: depth + 1)
        default: return object(depth: depth + 1)
        }
    }

    mutating func array(depth: Int = 1) -> [UInt8] {
        var elements: [[UInt8]] = []
        for _ in 0..<random.int(0...4) { elements.append(whitespace() + value(depth: depth) + whitespace()) }
        return "[".bytes + (elements.isEmpty ? whitespace() : Array(elements.joined(separator: ",".utf8))) + "]".bytes
    }

    mutating func object(depth: Int = 1) -> [UInt8] {
        var members: [(key: [UInt8], value: [UInt8])] = []
        for _ in 0..<random.int(0...5) { members.append((key(), value(depth: depth))) }
        return object(members)
    }

    /// Returns an object with these members. Keys and values are JSON texts.
    mutating func object(_ members: [(key: [UInt8], value: [UInt8])]) -> [UInt8] {
        var parts: [[UInt8]] = []
        for (key, value) in members {
            parts.append(whitespace() + key + whitespace() + ":".bytes + whitespace() + value + whitespace())
        }
        return "{".bytes + (parts.isEmpty ? whitespace() : Array(parts.joined(separator: ",".utf8))) + "}".bytes
    }

    /// Returns one of a few names, so that duplicates are common, often with escapes.
    mutating func key() -> [UInt8] {
        random.chance(15) ? string() : quoted(random.pick(["a", "b", "logprobs", "token_ids", "", "né\u{2028}", "😀"]))
    }

    /// Returns `value` as a JSON string in which any character may be escaped.
    mutating func quoted(_ value: String) -> [UInt8] {
        var bytes = "\"".bytes
        for scalar in value.unicodeScalars {
            if random.chance(20) || scalar.value < 0x20 || scalar == "\"" || scalar == "\\" {
                for unit in String(scalar).utf16 { bytes += escape(unit) }
            } else {
                bytes += String(scalar).utf8
            }
        }
        return bytes + "\"".bytes
    }

    mutating func string() -> [UInt8] {
        var bytes = "\"".bytes
        for _ in 0..<random.int(0...6) { bytes += stringPiece() }
        return bytes + "\"".bytes
    }

    mutating func number() -> [UInt8] {
        if extras.contains(.nonFiniteNumbers), random.chance(30) {
            return random.pick(["NaN", "Infinity", "-Infinity"]).bytes
        }
        if extras.contains(.hugeNumbers), random.chance(40) {
            return random.pick([
                "1E400", "-1e+999999999999", "0.5E-400", String(repeating: "9", count: 400),
                "-0." + String(repeating: "3", count: 60),
            ]).bytes
        }
        let integer = random.pick([
            "0", "-0", "7", "-1", "10", "128000", "18446744073709551616", "-9223372036854775808",
        ])
        let fraction = random.pick(["", "", ".0", ".25", ".10", ".000001", ".12345678901234567890"])
        let exponent = random.pick(["", "", "", "e0", "E5", "e+7", "E-10"])
        return (integer + fraction + exponent).bytes
    }

    mutating func whitespace() -> [UInt8] {
        guard random.chance(40) else { return [] }
        return random.pick([" ", "\n", "\r\n", "\t", "  \n\t ", "            "]).bytes
    }

    private mutating func stringPiece() -> [UInt8] {
        switch random.int(0...9) {
        case 0, 1: return random.pick(["a", "Hello", "data: [DONE]", "{", "],}", "NaN -Infinity"]).bytes
        case 2: return [UInt8](repeating: UInt8(ascii: "x"), count: random.int(0...40))
        case 3: return random.pick([#"\""#, #"\\"#, #"\/"#, #"\b"#, #"\f"#, #"\n"#, #"\r"#, #"\t"#]).bytes
        case 4: return escape(UInt16(random.int(0...0xD7FF)))
        case 5: return escape(UInt16(random.int(0xD800...0xDBFF))) + escape(UInt16(random.int(0xDC00...0xDFFF)))
        case 6, 7:
            return random.pick(["é", "€", "😀", "\u{7F}", "\u{85}", "\u{2028}", "\u{2029}", "\u{FFFD}", "\u{10FFFF}"])
                .bytes
        case 8 where extras.contains(.loneSurrogates): return escape(UInt16(random.int(0xD800...0xDFFF)))
        case 9 where extras.contains(.invalidUTF8): return random.pick(JSONTextGenerator.invalidSequences)
        default: return "/".bytes
        }
    }

    private mutating func escape(_ unit: UInt16) -> [UInt8] {
        let digits = String(unit, radix: 16, uppercase: random.chance(50))
        return (#"\u"# + String(repeating: "0", count: 4 - digits.count) + digits).bytes
    }

    /// A stray continuation byte, overlong forms, surrogates, values beyond U+10FFFF, and truncated sequences.
    static let invalidSequences: [[UInt8]] = [
        [0x80], [0xBF, 0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xE0, 0x80, 0x80], [0xE2, 0x82], [0xE2],
        [0xED, 0xA0, 0x80], [0xF0, 0x80, 0x80, 0x80], [0xF0, 0x9F, 0x98], [0xF0, 0x9F], [0xF4, 0x90, 0x80, 0x80],
        [0xF5, 0x80, 0x80, 0x80], [0xFE], [0xFF], [0xE2, 0x80], [0xC2], [0xC3, 0xC3, 0xA9],
        [0xF0, 0x9F, 0xE2, 0x82, 0xAC],
    ]
}
