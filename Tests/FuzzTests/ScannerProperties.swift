import JSONBytes
import TestSupport

enum ScannerProperties {
    static func check(_ input: [UInt8]) throws {
        for validUTF8 in [false, true] {
            let isJSON = scans(input, options: validUTF8 ? .validUTF8 : [])
            // The oracle has a limit of its own for nesting.
            if deepest(in: input) < 400 {
                try Violation.unless(
                    isJSON == JSONOracle.accepts(input, validUTF8: validUTF8),
                    "the scanner \(isJSON ? "takes" : "refuses") it, the oracle does not agree")
            }
        }
        if scans(input, options: [.nonFiniteNumbers]) { try checkNormalizing(input) }
    }

    /// What the normaliser makes of a document is strict JSON on one line, means the same, and stays as it is.
    private static func checkNormalizing(_ input: [UInt8]) throws {
        var line: [UInt8] = []
        let losses = JSONNormalizer.append(0..<input.count, of: input.span, to: &line)
        try Violation.unless(scans(line, options: [.validUTF8]), "the normalised text is not strict JSON")
        try Violation.unless(!line.contains { $0 == 0x0A || $0 == 0x0D }, "a line break is left")
        try Violation.unless(
            String(decoding: line, as: UTF8.self).unicodeScalars.allSatisfy {
                !["\u{85}", "\u{2028}", "\u{2029}"].contains($0)
            }, "a line separator is left")
        var again: [UInt8] = []
        JSONNormalizer.append(0..<line.count, of: line.span, to: &again)
        try Violation.unless(again == line, "normalising twice is not normalising once")
        if losses.isEmpty, deepest(in: input) < 400 {
            try Violation.unless(
                try JSONOracle.comparableTree(of: input) == JSONOracle.comparableTree(of: line),
                "the normalised text means something else")
        }
    }

    static func scans(_ text: [UInt8], options: JSONCursor.Options) -> Bool {
        var cursor = JSONCursor(options: options)
        do {
            try cursor.skipValue(in: text.span)
            try cursor.expectEnd(in: text.span)
            return true
        } catch {
            return false
        }
    }

    /// At least as deep as the text nests.
    static func deepest(in text: [UInt8]) -> Int {
        var depth = 0
        var deepest = 0
        for byte in text {
            if byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{") { depth += 1 }
            if byte == UInt8(ascii: "]") || byte == UInt8(ascii: "}") { depth = max(0, depth - 1) }
            deepest = max(deepest, depth)
        }
        return deepest
    }
}
