import VerbatimJSON
import TestSupport
import Testing

/// Makes the edits one after the other from back to front, so that no offset shifts.
func naivelyApplied(_ edits: JSONEdits, to text: [UInt8]) -> [UInt8] {
    var result = text
    // Of two edits at the same offset, the insertion is made last, so that it comes first.
    let fromTheBack = edits.edits.sorted {
        ($0.range.lowerBound, $0.range.upperBound) > ($1.range.lowerBound, $1.range.upperBound)
    }
    for edit in fromTheBack {
        switch edit.replacement {
        case .nothing: result.removeSubrange(edit.range)
        case .null: result.replaceSubrange(edit.range, with: "null".utf8)
        case .bytes(let bytes): result.replaceSubrange(edit.range, with: bytes)
        }
    }
    return result
}

/// Fails unless the text before the first edit and after the last one is unchanged.
func expectUntouchedOutside(
    _ edits: JSONEdits,
    of text: [UInt8],
    in edited: [UInt8],
    _ location: SourceLocation = #_sourceLocation
) {
    let first = edits.edits.map(\.range.lowerBound).min() ?? text.count
    let last = edits.edits.map(\.range.upperBound).max() ?? text.count
    #expect(edited.starts(with: text[..<first]), sourceLocation: location)
    #expect(edited.reversed().starts(with: text[last...].reversed()), sourceLocation: location)
}

@Suite struct JSONEditsTests {
    @Test(arguments: 0..<1000 as Range<UInt64>)
    func updatesHaveTheEffectThatTheyHaveOnFoundationsObjects(seed: UInt64) throws {
        var generator = JSONTextGenerator(seed: seed, extras: .loneSurrogates)
        let text = generator.whitespace() + generator.object() + generator.whitespace()
        let object = try #require(try JSONObject(document: text))
        var members = try #require(try JSONOracle.tree(of: text).members)
        let names = ["a", "b", "logprobs", "token_ids", "", "né\u{2028}", "😀", "new \"one\"\n"].shuffled(
            using: &generator.random
        )
        let removed = Array(names.prefix(generator.random.int(0...3)))
        var values: [(name: String, value: [UInt8])] = []
        for name in names.shuffled(using: &generator.random).prefix(generator.random.int(0...3)) {
            values.append((name, generator.value(depth: 3)))
        }
        for name in removed { members[name.bytes] = nil }
        for (name, value) in values { members[name.bytes] = try JSONOracle.tree(of: value) }

        var edits = JSONEdits()
        edits.update(object, of: text, setting: values, removing: removed)
        let edited = edits.applied(to: text)
        #expect(try JSONOracle.tree(of: edited) == .object(members))
        #expect(accepts(edited))
        #expect(edited == naivelyApplied(edits, to: text))
        expectUntouchedOutside(edits, of: text, in: edited)
        #expect(edits.isEmpty == edits.edits.isEmpty)
        #expect(edits.applied(to: text) == edited, "applying must not use the edits up")
    }

    @Test(arguments: 0..<500 as Range<UInt64>)
    func valuesAtAnyDepthAreReplaced(seed: UInt64) throws {
        var generator = JSONTextGenerator(seed: seed)
        let text = generator.whitespace() + generator.array() + generator.whitespace()
        var edits = JSONEdits()
        var cursor = JSONCursor()
        let expected = try replaceSomeNumbers(of: text, with: &cursor, edits: &edits, random: &generator.random)
        let edited = edits.applied(to: text)
        #expect(try JSONOracle.tree(of: edited) == expected)
        #expect(edited == naivelyApplied(edits, to: text))
        expectUntouchedOutside(edits, of: text, in: edited)
    }

    /// Adds edits of random numbers in the value ahead and returns the expected value after the edits.
    private func replaceSomeNumbers(
        of text: [UInt8],
        with cursor: inout JSONCursor,
        edits: inout JSONEdits,
        random: inout SeededGenerator
    ) throws -> JSONTree {
        switch try cursor.peekKind(in: text) {
        case .array:
            var elements: [JSONTree] = []
            try cursor.enterArray(in: text)
            while try cursor.nextElement(in: text) {
                elements.append(try replaceSomeNumbers(of: text, with: &cursor, edits: &edits, random: &random))
            }
            return .array(elements)
        case .object:
            var members: [[UInt8]: JSONTree] = [:]
            try cursor.enterObject(in: text)
            while let key = try cursor.nextKey(in: text) {
                members[key.decoded(in: text).bytes] =
                    try replaceSomeNumbers(of: text, with: &cursor, edits: &edits, random: &random)
            }
            return .object(members)
        case .number where random.chance(60):
            let range = try cursor.skipValue(in: text).range
            if random.chance(50) {
                edits.replace(range, with: .null)
                return .null
            }
            edits.replace(range, with: .bytes(#"{"x":[]}"#.bytes))
            return .object(["x".bytes: .array([])])
        default:
            return try JSONOracle.tree(of: cursor.skipValue(in: text).bytes(in: text))
        }
    }

    @Test func withoutEditsTheTextIsUnchanged() {
        var edits = JSONEdits()
        #expect(edits.isEmpty)
        for text in ["", "{}", " { \"a\" : 1 } "] { #expect(edits.applied(to: text.bytes) == text.bytes) }
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func theOrderInWhichEditsAreAddedDoesNotMatter(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let text = (0..<40).map { UInt8(ascii: "a") + $0 % 26 }
        var noted: [(Range<Int>, JSONEdits.Replacement)] = []
        var position = 0
        while position < text.count {
            let start = position + random.int(0...6)
            let end = start + random.int(0...5)
            guard end <= text.count else { break }
            // An insertion may be directly before or directly after a replacement.
            if start == end || random.chance(30) { noted.append((start..<start, .bytes("<\(noted.count)>".bytes))) }
            if start < end { noted.append((start..<end, random.pick([.nothing, .null, .bytes("#".bytes)]))) }
            position = max(end, start + 1)
        }
        var inOrder = JSONEdits()
        for (range, replacement) in noted { inOrder.replace(range, with: replacement) }
        var shuffled = JSONEdits()
        for (range, replacement) in noted.shuffled(using: &random) { shuffled.replace(range, with: replacement) }
        let expected = naivelyApplied(inOrder, to: text)
        #expect(inOrder.applied(to: text) == expected)
        #expect(shuffled.applied(to: text) == expected)
        expectUntouchedOutside(shuffled, of: text, in: expected)
    }

    @Test func piecesCoverTheText() {
        var edits = JSONEdits()
        edits.replace(4..<6, with: .nothing)
        edits.insert("x".bytes, at: 9)
        edits.replace(0..<1, with: .null)
        var pieces: [String] = []
        edits.forEachPiece(of: 9) { range in
            pieces.append("\(range)")
        } replacement: { replacement in
            pieces.append("\(replacement)")
        }
        #expect(pieces == ["null", "1..<4", "6..<9", "bytes([120])"])
    }

    @Test func duplicatesOfAMemberThatIsSetStay() throws {
        let text = #"{"a":1,"\u0061":2,"b":3}"#.bytes
        let object = try #require(try JSONObject(document: text))
        var edits = JSONEdits()
        edits.update(object, of: text, setting: [("a", "true".bytes)])
        #expect(edits.applied(to: text) == #"{"a":1,"\u0061":true,"b":3}"#.bytes)
        edits.removeAll()
        #expect(edits.isEmpty)
        edits.update(object, of: text, setting: [], removing: ["a"])
        #expect(edits.applied(to: text) == #"{"b":3}"#.bytes, "of a removed one, all go")
    }

    @Test func aMemberMayHaveTheNameOfARemovedOne() throws {
        let text = #"{ "a": 1 }"#.bytes
        let object = try #require(try JSONObject(document: text))
        var edits = JSONEdits()
        edits.update(object, of: text, setting: [("a", "2".bytes), ("b", "3".bytes)], removing: ["a", "c"])
        #expect(edits.applied(to: text) == #"{ "a":2,"b":3 }"#.bytes)
    }

    @Test func editsCanBeMovedToASurroundingText() throws {
        let inner = #"{"a":1,"b":2}"#.bytes
        let object = try #require(try JSONObject(document: inner))
        var edits = JSONEdits()
        edits.update(object, of: inner, setting: [("c", "3".bytes)], removing: ["a"])
        let expected = "[0, ".bytes + edits.applied(to: inner) + "]".bytes
        edits.relocate { $0.lowerBound + 4..<$0.upperBound + 4 }
        #expect(edits.applied(to: "[0, ".bytes + inner + "]".bytes) == expected)
    }
}
