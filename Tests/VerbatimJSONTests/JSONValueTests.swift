import VerbatimJSON
import TestSupport
import Testing

@Suite struct JSONValueTests {
    private func value(_ text: String) throws -> JSONValue {
        var cursor = JSONCursor(options: .nonFiniteNumbers)
        return try cursor.skipValue(in: text.bytes)
    }

    @Test(arguments: [
        "0", "-0", "7", "-1", "128000", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
        "-9223372036854775809", "18446744073709551616", "99999999999999999999999999", "922337203685477580",
        "-922337203685477581", "9223372036854775799",
    ])
    func integersAreReadAsSwiftReadsThem(text: String) throws {
        #expect(try value(text).int(in: text.bytes) == Int(text))
    }

    @Test(arguments: ["1.0", "1e2", "-1.5", "1E400", "true", "null", "\"1\"", "[1]", "{}", "NaN", "-Infinity"])
    func otherValuesHaveNoIntegerValue(text: String) throws {
        #expect(try value(text).int(in: text.bytes) == nil)
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func doublesAreReadAsSwiftReadsThem(seed: UInt64) throws {
        var generator = JSONTextGenerator(seed: seed, extras: .hugeNumbers)
        let text = String(decoding: generator.number(), as: UTF8.self)
        #expect(try value(text).double(in: text.bytes) == Double(text))
    }

    @Test func otherValuesHaveNoDoubleValue() throws {
        for text in ["true", "\"1\"", "NaN", "Infinity", "[]"] {
            #expect(try value(text).double(in: text.bytes) == nil)
        }
    }

    @Test func findsTheExponentOfANumber() {
        for length in 1...27 {
            let digits = "-0.12345678901234567890123456".bytes.prefix(length)
            for front in ["", "[0,", "[1e5,"] {
                let start = front.utf8.count
                let plain = JSONValue(kind: .number, range: start..<start + length)
                #expect(plain.exponent(in: (front.bytes + digits + "e7]".bytes).span) == nil)
                for mark in ["e", "E", "e-", "E+"] {
                    let text = front.bytes + digits + mark.bytes + "10".bytes
                    let value = JSONValue(kind: .number, range: start..<text.count)
                    #expect(value.exponent(in: text.span) == start + length)
                }
            }
        }
        #expect(JSONValue(kind: .nonFinite, range: 0..<9).exponent(in: "-Infinity".bytes.span) == nil)
    }
}
