import VerbatimJSON
import VerbatimPlatform
import TestSupport

enum ScannerProperties {
    static func check(_ input: [UInt8]) throws {
        for validUTF8 in [false, true] {
            let isJSON = scans(input, options: validUTF8 ? .validUTF8 : [])
            // The oracle has its own limit for nesting.
            if deepest(in: input) < 400 {
                try Violation.unless(
                    isJSON == JSONOracle.accepts(input, validUTF8: validUTF8),
                    "the scanner \(isJSON ? "takes" : "refuses") it, the oracle does not agree")
            }
        }
        if scans(input, options: [.nonFiniteNumbers]) { try checkNormalizing(input) }
        try checkOutline(of: input)
    }

    /// An outline accepts what a cursor accepts, and a cursor that follows it finds the same values.
    private static func checkOutline(of input: [UInt8]) throws {
        var outline = JSONOutline()
        let isJSON = scans(input, options: .nonFiniteNumbers)
        try Violation.unless(
            outline.take(of: input.span) == isJSON,
            "the scanner \(isJSON ? "takes" : "refuses") it, the outline does not")
        guard isJSON else { return }
        for choice in 0..<3 {
            var walk = Walk(following: outline, seed: input.count &+ choice)
            try walk.value(of: input.span)
            try walk.end(of: input.span)
        }
        guard outline.isNormal else { return }
        var line: [UInt8] = []
        let losses = JSONNormalizer.append(0..<input.count, of: input.span, to: &line)
        try Violation.unless(line == input && losses.isEmpty, "the normalizer changes what is normal")
    }

    /// Two cursors, one of which follows an outline, enter some containers and skip others.
    private struct Walk {
        private var following: JSONCursor
        private var plain = JSONCursor(options: .nonFiniteNumbers)
        private var state: UInt64

        init(following outline: JSONOutline, seed: Int) {
            following = JSONCursor(following: outline)
            state = UInt64(truncatingIfNeeded: seed) &* 0x9E37_79B9_7F4A_7C15 | 1
        }

        mutating func value(of text: Span<UInt8>) throws {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let kind = try plain.peekKind(in: text)
            if state >> 33 & 1 == 0 && kind == .object {
                try following.enterObject(in: text)
                try plain.enterObject(in: text)
                while let key = try plain.nextKey(in: text) {
                    try same(try following.nextKey(in: text), key)
                    try value(of: text)
                }
                try same(try following.nextKey(in: text), nil)
            } else if state >> 33 & 1 == 0 && kind == .array {
                try following.enterArray(in: text)
                try plain.enterArray(in: text)
                while try plain.nextElement(in: text) {
                    try same(try following.nextElement(in: text), true)
                    try value(of: text)
                }
                try same(try following.nextElement(in: text), false)
            } else {
                try same(try following.skipValue(in: text), try plain.skipValue(in: text))
            }
        }

        mutating func end(of text: Span<UInt8>) throws {
            try following.expectEnd(in: text)
            try plain.expectEnd(in: text)
            try same(following.offset, plain.offset)
        }

        private func same<Place: Equatable>(_ one: Place, _ other: Place) throws {
            try Violation.unless(one == other, "a cursor that follows the outline is at \(one) instead of \(other)")
        }
    }

    /// Normalized text is strict JSON on one line, has the same meaning, and is not changed by normalizing it again.
    private static func checkNormalizing(_ input: [UInt8]) throws {
        var line: [UInt8] = []
        let losses = JSONNormalizer.append(0..<input.count, of: input.span, to: &line)
        try Violation.unless(scans(line, options: [.validUTF8]), "the normalized text is not strict JSON")
        try Violation.unless(
            line.firstOffset(of: 0x0A) == nil && line.firstOffset(of: 0x0D) == nil, "a line break is left")
        try Violation.unless(!hasLineSeparator(line), "a line separator is left")
        var again: [UInt8] = []
        JSONNormalizer.append(0..<line.count, of: line.span, to: &again)
        try Violation.unless(again == line, "normalizing twice is not normalizing once")
        if losses.isEmpty, deepest(in: input) < 400 {
            try Violation.unless(
                try JSONOracle.comparableTree(of: input) == JSONOracle.comparableTree(of: line),
                "the normalized text means something else")
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

    /// Returns an upper bound of the nesting depth of `text`.
    static func deepest(in text: [UInt8]) -> Int {
        let openings = (UInt8(ascii: "["), UInt8(ascii: "{"))
        let ends = (UInt8(ascii: "]"), UInt8(ascii: "}"))
        var depth = 0
        var deepest = 0
        // On a pointer, since without optimization this loop would be slow on an array.
        text.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return }
            var index = 0
            while index < bytes.count {
                let byte = base[index]
                if byte == openings.0 || byte == openings.1 {
                    depth += 1
                    if depth > deepest { deepest = depth }
                } else if byte == ends.0 || byte == ends.1, depth > 0 {
                    depth -= 1
                }
                index += 1
            }
        }
        return deepest
    }
}
