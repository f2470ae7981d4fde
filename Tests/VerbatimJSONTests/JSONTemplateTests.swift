import TestSupport
import Testing

@testable import VerbatimJSON

@Suite struct JSONTemplateTests {
    /// An event whose variable values are chosen by a seed.
    struct Sample {
        var text: [UInt8] = []
        var values: [[UInt8]] = []
        var starts: [Int] = []
        /// The ranges of the values that contain the variable values.
        var variable: [Range<Int>] = []

        /// - Parameter hasEmptyLists: True if arrays of numbers may be empty.
        init(seed: UInt64, hasEmptyLists: Bool = false) {
            var generator = SeededGenerator(seed: seed)
            func string() -> String {
                let parts = [
                    "a", " ", "é", "\u{1F600}", #"\n"#, #"\""#, #"\\"#, #"\u00e9"#, #"\ud83d\ude00"#,
                    "long, long text ", "}",
                ]
                return "\"" + (0..<generator.int(0...5)).map { _ in generator.pick(parts) }.joined() + "\""
            }
            func number() -> String {
                generator.pick([
                    "0", "-0", "1", "17", "-1.5", "-0.000123", "1e5", "2E-17", "-12.75e+10", "123456789012345678",
                ])
            }
            func naturals() -> String {
                let count = generator.int((hasEmptyLists ? 0 : 1)...9)
                return "[" + (0..<count).map { _ in String(generator.int(0...300)) }.joined(separator: ",") + "]"
            }
            func literal(_ part: String) { text += part.utf8 }
            func value(_ part: String) {
                values.append(Array(part.utf8))
                starts.append(text.count)
                text += part.utf8
            }
            func variable(_ write: () -> Void) {
                let start = text.count
                write()
                self.variable.append(start..<text.count)
            }
            literal(#"data: {"id":"c-1","t":"#)
            variable { value(number()) }
            literal(#","c":[{"d":{"content":"#)
            variable { value(string()) }
            literal(#"},"logprobs":"#)
            variable {
                literal(#"{"content":[{"token":"#)
                value(string())
                literal(#","logprob":"#)
                value(number())
                literal(#","bytes":"#)
                value(naturals())
                literal(#","top":[["#)
                value(string())
                literal(",")
                value(number())
                literal(#"],null,true,{"deep":{}},[]]}]}"#)
            }
            literal(#","ids":"#)
            variable { value(naturals()) }
            literal("}]}\n\n")
        }

        var form: JSONTemplate? { JSONTemplate(of: text.span, variable: variable.reversed()) }
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func findsTheValuesOfAMatchingText(seed: UInt64) throws {
        let (one, other) = (Sample(seed: seed), Sample(seed: seed + 1000, hasEmptyLists: true))
        var form = try #require(one.form)
        try #require(matches(other.text, by: &form))
        expectValues(of: other, in: form)
        try #require(matches(one.text, by: &form))
        expectValues(of: one, in: form)
    }

    @Test func findsStretchesOfAMatchingText() throws {
        let (one, other) = (Sample(seed: 1), Sample(seed: 2))
        var form = try #require(one.form)
        let stretches = one.variable.map { form.stretch(in: $0) } + [form.stretch(in: 0..<one.text.count)]
        try #require(matches(other.text, by: &form))
        #expect(stretches.map { form.range(of: $0) } == other.variable + [0..<other.text.count])
        expectValues(of: other, in: form)
        #expect(form.value(at: 0) == nil)
    }

    /// A text that matches is JSON, and only its variable values differ from the example.
    @Test(arguments: 0..<12 as Range<UInt64>)
    func spoiledTextsDoNotMatch(seed: UInt64) throws {
        let sample = Sample(seed: seed)
        let other = Sample(seed: seed + 50).text
        var form = try #require(sample.form)
        let expected = try Self.skeleton(of: sample.text)
        let bytes = Array(#""\{}[],:-+.0e5tfnuNI x"#.utf8) + [0x0A, 0x0B, 0x1F, 0x7F, 0x80, 0xC2, 0xE2, 0xFF]
        for index in other.indices {
            var changes = [Array(other[..<index]), Array(other[..<index] + other[(index + 1)...])]
            for byte in bytes {
                changes.append(Array(other[..<index] + [byte] + other[(index + 1)...]))
                changes.append(Array(other[..<index] + [byte] + other[index...]))
            }
            for text in changes where matches(text, by: &form) {
                // Both are compared as Foundation reads them. It misreads invalid UTF-8.
                #expect(try Self.skeleton(of: text) == expected, "\(String(decoding: text, as: UTF8.self))")
                #expect(String(validating: text, as: UTF8.self) != nil)
            }
        }
    }

    @Test(arguments: [
        (#"{"a":1}"#, 5..<6, #"{"a":-Infinity}"#), (#"{"a":1}"#, 5..<6, #"{"a":NaN}"#),
        (#"{"a":1}"#, 5..<6, #"{"a":"1"}"#),
        (#"{"a":1}"#, 5..<6, #"{"a":null}"#), (#"{"a":1}"#, 5..<6, #"{"a": 1}"#), (#"{"a":1}"#, 5..<6, #"{"a":1} "#),
        (#"{"a":1}"#, 5..<6, #"{"a":1}}"#), (#"{"a":1}"#, 5..<6, #"{"a":01}"#), (#"{"a":1}"#, 5..<6, ""),
        (#"{"a":"x"}"#, 5..<8, "{\"a\":\"\u{2028}\"}"), (#"{"a":"x"}"#, 5..<8, "{\"a\":\"\u{85}\"}"),
        (#"{"a":"x"}"#, 5..<8, "{\"a\":\"\n\"}"), (#"{"a":[1]}"#, 5..<8, #"{"a":[-1]}"#),
        (#"{"a":[1]}"#, 5..<8, #"{"a":["#), (#"{"a":[1]}"#, 5..<8, #"{"a":[,]}"#),
        (#"{"a":[1]}"#, 5..<8, #"{"a":[1.0]}"#), (#"{"a":[]}"#, 5..<7, #"{"a":[1]}"#),
        (#"{"a":["x"]}"#, 5..<10, #"{"a":["x","y"]}"#),
        (#"{"a":{"b":1}}"#, 5..<12, #"{"a":{"c":1}}"#),
    ])
    func textsThatDifferElsewhereDoNotMatch(text: String, variable: Range<Int>, other: String) throws {
        let text = Array(text.utf8)
        var form = try #require(made(of: text, [variable]))
        #expect(matches(text, by: &form))
        #expect(!matches(Array(other.utf8), by: &form))
    }

    @Test func aTextWithoutVariableValuesMatchesItself() throws {
        var form = try #require(made(of: Array("[1]".utf8), []))
        #expect(matches(Array("[1]".utf8), by: &form))
        #expect(!matches(Array("[2]".utf8), by: &form))
        #expect(!matches(Array("[1]]".utf8), by: &form))
    }

    @Test func anArrayOfNumbersMayBeEmptyInAMatchingText() throws {
        var form = try #require(made(of: Array("[[1],2]".utf8), [0..<7]))
        let list = try #require(form.value(at: 1))
        #expect(matches(Array("[[],3]".utf8), by: &form))
        #expect(form.range(of: list) == 1..<3)
        #expect(matches(Array("[[4,5],6]".utf8), by: &form))
        #expect(form.range(of: list) == 1..<6)
    }

    @Test func thereIsNoTemplateOfLongTextsOfManyValuesOrOfTextsThatAreNotJSON() {
        let long = Array(("\"" + String(repeating: "a", count: 70_000) + "\"").utf8)
        #expect(made(of: long, [long.indices]) == nil)
        #expect(made(of: Array("{,}".utf8), [0..<3]) == nil)
        let many = Array(("[-1" + String(repeating: ",-1", count: 1024) + "]").utf8)
        #expect(made(of: many, [many.indices]) == nil)
        #expect(made(of: Array(many.dropLast(4)) + [UInt8(ascii: "]")], [0..<many.count - 3]) != nil)
    }

    private func expectValues(of sample: Sample, in form: JSONTemplate) {
        let values = sample.starts.map { form.value(at: $0) }
        #expect(Set(values).count == sample.values.count)
        for (value, expected) in zip(values, sample.values) {
            #expect(value.map { Array(sample.text[form.range(of: $0)]) } == expected)
        }
    }

    private func made(of text: [UInt8], _ variable: [Range<Int>]) -> JSONTemplate? {
        JSONTemplate(of: text.span, variable: variable)
    }

    private func matches(_ text: [UInt8], by template: inout JSONTemplate) -> Bool { template.matches(text.span) }

    /// Returns the text as Foundation reads it, with its variable values removed.
    private static func skeleton(of text: [UInt8]) throws -> JSONTree {
        struct NoEvent: Error {}
        guard text.starts(with: "data: ".utf8), text.suffix(2) == [0x0A, 0x0A] else { throw NoEvent() }
        return blank(try JSONOracle.tree(of: Array(text[6...].dropLast(2))))
    }

    private static func blank(_ tree: JSONTree) -> JSONTree {
        switch tree {
        case .number: .number("0")
        case .string(let text): text == Array("c-1".utf8) ? tree : .string([])
        case .array(let elements):
            !elements.isEmpty && elements.allSatisfy { if case .number = $0 { true } else { false } }
                ? .array([.number("0")]) : .array(elements.map(blank))
        case .object(let members):
            .object(
                Dictionary(
                    uniqueKeysWithValues: members.map { name, value in
                        // The arrays of the samples that may be empty in a matching text.
                        let isList = ["bytes", "ids"].contains(String(decoding: name, as: UTF8.self))
                        return (name, isList && value == .array([]) ? blank(.array([.number("0")])) : blank(value))
                    }))
        case .null, .bool: tree
        }
    }
}
