import Testing

@testable import JSONBytes

@Suite("Looking for what ends a stretch of a string") struct ByteScanTests {
    private static func naive(_ text: [UInt8], from start: Int, stopAtNonASCII: Bool) -> Int {
        text.indices.first { index in
            guard index >= start else { return false }
            let byte = text[index]
            return byte < 0x20 || byte == 0x22 || byte == 0x5C || (stopAtNonASCII && byte >= 0x80)
        } ?? text.count
    }

    private static func check(_ text: [UInt8], from start: Int, stopAtNonASCII: Bool) -> Bool {
        var seen: UInt64 = 0
        let found = text.withUnsafeBufferPointer {
            nextStringBreak(in: $0, from: start, stopAtNonASCII: stopAtNonASCII, seen: &seen)
        }
        return found == naive(text, from: start, stopAtNonASCII: stopAtNonASCII)
            && isASCII(seen: seen) == text[start..<found].allSatisfy { $0 < 0x80 }
    }

    /// Words and blocks begin anywhere, and end anywhere in front of the text's end.
    @Test(arguments: [0x00, 0x1F, 0x20, 0x21, 0x22, 0x23, 0x5B, 0x5C, 0x5D, 0x7F, 0x80, 0xA2, 0xDC, 0xFF] as [UInt8])
    func eachByteAtEachPlace(byte: UInt8) {
        for length in [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 100] {
            let plain = [UInt8](repeating: UInt8(ascii: "a"), count: length)
            for start in 0...min(length, 9) {
                for place in 0..<length {
                    var text = plain
                    text[place] = byte
                    for stops in [false, true] where !Self.check(text, from: start, stopAtNonASCII: stops) {
                        Issue.record("at \(place) of \(length), from \(start), \(stops)")
                    }
                }
            }
        }
    }

    /// What stands behind the first of two, or in front of the start, tells nothing.
    @Test func twoOfThem() {
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
