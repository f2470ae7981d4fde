import VerbatimJSON
import TestSupport
import Testing

@Suite struct MemberRemovalTests {
    /// Values with commas, braces and quotes inside strings and nested containers.
    static let values = ["1", #"",}""#, "[1,2]", "{}", #"{"x":[{}]}"#]

    @Test(arguments: 0...5, 0..<12 as Range<UInt64>)
    func everySubsetOfMembersCanBeRemoved(count: Int, seed: UInt64) throws {
        // Seed 0 gives a text without white space.
        var generator = JSONTextGenerator(seed: seed)
        let members = (0..<count).map { (key: "\"k\($0)\"".bytes, value: Self.values[$0].bytes) }
        let text =
            seed == 0
            ? "{".bytes + Array(members.map { $0.key + ":".bytes + $0.value }.joined(separator: ",".utf8)) + "}".bytes
            : generator.whitespace() + generator.object(members) + generator.whitespace()
        let object = try #require(try JSONObject(document: text))
        for subset in 0..<1 << count {
            let isRemoved = { (index: Int) in subset >> index & 1 == 1 }
            var edits = JSONEdits()
            var index = -1
            edits.remove(from: object) { _ in
                index += 1
                return isRemoved(index)
            }
            let edited = edits.applied(to: text)
            let remaining = (0..<count).filter { !isRemoved($0) }
            let result = try #require(try JSONObject(document: edited), "subset \(subset) of \(text)")
            #expect(accepts(edited) && JSONOracle.accepts(edited))
            #expect(result.members.map { $0.key.decoded(in: edited) } == remaining.map { "k\($0)" })
            #expect(result.members.map { $0.value.bytes(in: edited) } == remaining.map { members[$0].value })
            #expect(edited == naivelyApplied(edits, to: text))
            expectUntouchedOutside(edits, of: text, in: edited)
            #expect(edits.isEmpty == (subset == 0))
            #expect(
                String(decoding: edited, as: UTF8.self).filter { !$0.isWhitespace }.bytes == compact(members, remaining)
            )
        }
    }

    private func compact(_ members: [(key: [UInt8], value: [UInt8])], _ kept: [Int]) -> [UInt8] {
        "{".bytes + Array(kept.map { members[$0].key + ":".bytes + members[$0].value }.joined(separator: ",".utf8))
            + "}".bytes
    }

    /// White space is removed with the member that follows it; white space before the first member stays.
    @Test(arguments: [
        ([], #"{ "a" : 1 , "b" : 2 , "c" : 3 }"#), (["a"], #"{ "b" : 2 , "c" : 3 }"#),
        (["b"], #"{ "a" : 1 , "c" : 3 }"#),
        (["c"], #"{ "a" : 1 , "b" : 2 }"#), (["a", "b"], #"{ "c" : 3 }"#), (["b", "c"], #"{ "a" : 1 }"#),
        (["a", "c"], #"{ "b" : 2 }"#), (["a", "b", "c"], #"{  }"#),
    ])
    func removalLeavesNoTraceOfTheMembers(removed: [String], expected: String) throws {
        let text = #"{ "a" : 1 , "b" : 2 , "c" : 3 }"#.bytes
        let object = try #require(try JSONObject(document: text))
        var edits = JSONEdits()
        edits.update(object, of: text, setting: [], removing: removed)
        #expect(String(decoding: edits.applied(to: text), as: UTF8.self) == expected)
    }

    @Test(arguments: 0..<700 as Range<UInt64>)
    func aCursorRemovesMembersAtAnyDepth(seed: UInt64) throws {
        let names: Set<String> = ["a", "logprobs", "token_ids"]
        var generator = JSONTextGenerator(seed: seed, extras: .loneSurrogates)
        let text = generator.whitespace() + generator.object() + generator.whitespace()
        var edits = JSONEdits()
        var cursor = JSONCursor()
        try removeMembers(of: text, with: &cursor, where: names.contains, edits: &edits)
        try cursor.expectEnd(in: text)
        let edited = edits.applied(to: text)
        #expect(try JSONOracle.tree(of: edited) == JSONOracle.tree(of: text).removing(names))
        #expect(accepts(edited))
        #expect(edited == naivelyApplied(edits, to: text))
        expectUntouchedOutside(edits, of: text, in: edited)
    }

    private func removeMembers(
        of text: [UInt8],
        with cursor: inout JSONCursor,
        where isNamed: (String) -> Bool,
        edits: inout JSONEdits
    ) throws {
        switch try cursor.peekKind(in: text) {
        case .array:
            try cursor.enterArray(in: text)
            while try cursor.nextElement(in: text) {
                try removeMembers(of: text, with: &cursor, where: isNamed, edits: &edits)
            }
        case .object:
            var remover = MemberRemover(objectAt: cursor.offset)
            try cursor.enterObject(in: text)
            while let key = try cursor.nextKey(in: text) {
                let isRemoved = isNamed(key.decoded(in: text))
                remover.visit(key: key, isRemoved: isRemoved, edits: &edits)
                if isRemoved {
                    try cursor.skipValue(in: text)
                } else {
                    try removeMembers(of: text, with: &cursor, where: isNamed, edits: &edits)
                }
                remover.endValue(at: cursor.offset)
            }
            remover.endObject(at: cursor.offset, edits: &edits)
        default:
            try cursor.skipValue(in: text)
        }
    }
}
