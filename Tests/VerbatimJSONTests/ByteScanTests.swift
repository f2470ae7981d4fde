import TestSupport
import Testing

@testable import VerbatimJSON

@Suite("The scan for the end of a plain part of a string") struct ByteScanTests {
    private static func naive(_ text: [UInt8], from start: Int, stopAtNonASCII: Bool) -> Int {
        text.withUnsafeBufferPointer { text in
            guard let bytes = text.baseAddress else { return 0 }
            var index = start
            while index < text.count {
                let byte = bytes[index]
                if byte < 0x20 || byte == 0x22 || byte == 0x5C || (stopAtNonASCII && byte >= 0x80) { return index }
                index += 1
            }
            return text.count
        }
    }

    private static func hasOnlyASCII(_ text: [UInt8], _ range: Range<Int>) -> Bool {
        text.withUnsafeBufferPointer { text in
            guard let bytes = text.baseAddress else { return true }
            var index = range.lowerBound
            while index < range.upperBound {
                if bytes[index] >= 0x80 { return false }
                index += 1
            }
            return true
        }
    }

    private static func check(_ text: [UInt8], from start: Int, stopAtNonASCII: Bool) -> Bool {
        var seen: UInt64 = 0
        let found = text.withUnsafeBufferPointer {
            nextStringBreak(in: $0, from: start, stopAtNonASCII: stopAtNonASCII, seen: &seen)
        }
        return found == naive(text, from: start, stopAtNonASCII: stopAtNonASCII)
            && isASCII(seen: seen) == hasOnlyASCII(text, start..<found)
    }

    /// The words and blocks that are scanned together begin at any offset and end at any distance from the end of the
    /// text.
    @Test(arguments: UInt8.min...UInt8.max)
    func findsEachByteAtEachOffset(byte: UInt8) {
        for length in [1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 100] {
            var text = [UInt8](repeating: UInt8(ascii: "a"), count: length)
            for place in 0..<length {
                text[place] = byte
                for start in stride(from: 0, through: min(length, 9), by: 3) {
                    for stops in [false, true] {
                        var seen: UInt64 = 0
                        let found = text.withUnsafeBufferPointer {
                            nextStringBreak(in: $0, from: start, stopAtNonASCII: stops, seen: &seen)
                        }
                        let isBreak = byte < 0x20 || byte == 0x22 || byte == 0x5C || (stops && byte >= 0x80)
                        let expected = isBreak && place >= start ? place : length
                        let isASCIIExpected = isBreak || byte < 0x80 || place < start
                        if found != expected || isASCII(seen: seen) != isASCIIExpected {
                            Issue.record("at \(place) of \(length), from \(start), \(stops)")
                        }
                    }
                }
                text[place] = UInt8(ascii: "a")
            }
        }
    }

    @Test func anEmptyTextHasNoBreak() {
        let text: [UInt8] = []
        for stops in [false, true] { #expect(nextStringBreak(in: text.span, from: 0, stopAtNonASCII: stops) == 0) }
    }

    /// A caller that skips the byte after a backslash may start beyond the end.
    @Test func aStartBeyondTheEndIsAllowed() {
        let text = [UInt8](repeating: UInt8(ascii: "a"), count: 3)
        for stops in [false, true] { #expect(nextStringBreak(in: text.span, from: 4, stopAtNonASCII: stops) >= 3) }
    }

    @Test func findsWhatAPlainSearchFindsInRandomBytes() {
        var random = SeededGenerator(seed: 1)
        for _ in 0..<4_000 {
            // From text full of breaks to text with hardly any.
            let rarity = UInt64.random(in: 1...200, using: &random)
            let text = (0..<Int.random(in: 0...200, using: &random)).map { _ in
                UInt64.random(in: 0..<rarity, using: &random) == 0
                    ? UInt8.random(in: .min ... .max, using: &random) : UInt8.random(in: 0x23...0x5B, using: &random)
            }
            let start = Int.random(in: 0...text.count, using: &random)
            for stops in [false, true] where !Self.check(text, from: start, stopAtNonASCII: stops) {
                Issue.record("\(text) from \(start), \(stops)")
            }
        }
    }

    /// Bytes after the first of two breaks, or before the start, have no effect.
    @Test func theFirstOfTwoBreaksCounts() {
        let bytes: [UInt8] = [0x1F, 0x22, 0x5C, 0x80, 0xC3]
        for first in bytes {
            for second in bytes {
                for place in 0..<80 {
                    for distance in 1...40 {
                        var text = [UInt8](repeating: UInt8(ascii: "b"), count: 120)
                        text[place] = first
                        text[place + distance] = second
                        for start in [0, place + 1] {
                            for stops in [false, true] where !Self.check(text, from: start, stopAtNonASCII: stops) {
                                Issue.record("\(first) at \(place), \(second) \(distance) on, from \(start), \(stops)")
                            }
                        }
                    }
                }
            }
        }
    }
}
