import TestSupport
import Testing
import VerbatimJSON

@Suite struct SelectedMembersTests {
    static let names = ["a", "logprobs", "", "né\u{2028}", "😀", "token_ids", "\u{FFFD}"]

    @Test("The last member of each name is found, as in a list of all members", arguments: 0..<1000 as Range<UInt64>)
    func lastMemberOfEachName(seed: UInt64) throws {
        var generator = JSONTextGenerator(seed: seed, extras: [.loneSurrogates, .invalidUTF8])
        let text = generator.whitespace() + generator.object() + generator.whitespace()
        let all = try #require(try JSONObject(document: text))
        let selected = try #require(try SelectedMembers(document: text.span, named: MemberNames(Self.names)))
        #expect(selected.range == all.range)
        #expect(selected.endOfMembers == all.members.last?.value.range.upperBound)
        // `b` is not among the names, and looked for. A key of invalid UTF-8 equals U+FFFD only if it has escapes.
        for name in Self.names.dropLast() + ["b"] {
            let expected = all.members.last { $0.key.decoded(in: text).bytes == name.bytes }
            #expect(selected.member(named: name, in: text.span) == expected, "\(name)")
        }
    }

    @Test(
        "A key is found however it is spelled",
        arguments: [
            #"logprobs"#, #"\u006cogprobs"#, #"\u006Cogprobs"#, #"logprob\u0073"#,
            #"\u006c\u006f\u0067\u0070\u0072\u006f\u0062\u0073"#, #"😀"#, #"\ud83d\ude00"#, #"\uD83D\uDE00"#, #"\ud83d"#,
            #"\ude00"#, #"\ude00\ud83d"#, #"\ud83dx"#, #"n\u00e9\u2028"#, #"né\u2028"#, #"\/"#, #"\\u006cogprobs"#,
            #"\u0000"#,
            #"\u006cogprob"#, #"\u006cogprobss"#, "", #"\u0061"#, #"\n"#, #"\ud83d\u0061"#,
        ])
    func spellings(key: String) throws {
        let text = "\"\(key)\"".bytes
        guard case .string(let expected) = try JSONOracle.tree(of: text) else { return }
        var cursor = JSONCursor()
        let string = try cursor.skipString(in: text)
        let place = MemberNames(Self.names).place(of: string, in: text.span)
        #expect(place == Self.names.firstIndex { $0.bytes == expected })
        // One that may have escapes but has none.
        let unsure = JSONString(quoted: string.quoted, hasEscapes: true)
        #expect(MemberNames(Self.names).place(of: unsure, in: text.span) == place)
    }

    @Test("A key that is not valid UTF-8 equals what a decoder makes of it")
    func invalidUTF8() throws {
        for raw: [UInt8] in [[0xFF], [0xE2, 0x82], [0xC3], [0xED, 0xA0, 0x80]] {
            let text = "\"".bytes + raw + #"\u0061""#.bytes
            var cursor = JSONCursor()
            let string = try cursor.skipString(in: text)
            let expected = String(decoding: raw + "a".bytes, as: UTF8.self)
            #expect(string.equals(expected.bytes, in: text))
            #expect(MemberNames([expected]).place(of: string, in: text.span) == 0)
        }
    }

    @Test("What is kept does not grow with the object")
    func isBounded() throws {
        for member in [#""a":1"#, #""\u0061":1"#, #""x":1"#, #""\u006cogprobs":{}"#, #""o":{"a":1,"a":2,"b":3}"#] {
            let text = "{\(Array(repeating: member, count: 20_000).joined(separator: ","))}".bytes
            let names = MemberNames(["a", "logprobs"], nested: [("o", ["a"])])
            let selected = try #require(try SelectedMembers(document: text.span, named: names))
            #expect(selected.count <= 2)
        }
    }

    @Test("Objects in known members are read in the same pass")
    func innerObjects() throws {
        let text = #"{"o":{"a":1},"p":{"a":2},"o":{ "b" : 3, "\u0061" : [4] } ,"q":{"a":5},"q":7}"#.bytes
        let names = MemberNames([], nested: [("o", ["a"]), ("q", ["a"])])
        let selected = try #require(try SelectedMembers(document: text.span, named: names))
        func value(_ parent: String) -> [UInt8]? {
            selected.object(parent, in: text.span)?.value("a", in: text.span)?.bytes(in: text)
        }
        #expect(value("o") == "[4]".bytes)
        #expect(value("p") == "2".bytes, "one that is not among the names is looked for")
        #expect(value("q") == nil, "the last one is no object")
        #expect(value("r") == nil)
    }

    @Test("What follows is no part of the document, and other documents are no objects")
    func otherDocuments() throws {
        let names = MemberNames(["a"])
        #expect(try SelectedMembers(document: Array(" [1] ".utf8).span, named: names) == nil)
        #expect(throws: JSONError(.trailingBytes, at: 3)) {
            try SelectedMembers(document: Array("{} x".utf8).span, named: names)
        }
        #expect(throws: JSONError.self) {
            try SelectedMembers(document: Array(#"{"a":{"b":}}"#.utf8).span, named: names)
        }
    }

    @Test("Members are removed as by edits", arguments: 0..<500 as Range<UInt64>)
    func removal(seed: UInt64) throws {
        var generator = JSONTextGenerator(seed: seed, extras: .loneSurrogates)
        let text = generator.whitespace() + generator.object() + generator.whitespace()
        let removed = ["a", "logprobs", "b", ""].filter { _ in generator.random.chance(50) }
        var edits = JSONEdits()
        edits.update(try #require(try JSONObject(document: text)), of: text, setting: [], removing: removed)
        #expect(MemberRemover.removing(MemberNames(removed), from: text.span) == edits.applied(to: text))
    }

    @Test("An edited text is the same in parts", arguments: 0..<100 as Range<UInt64>)
    func partsOfAnEditedText(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let text = (0..<60).map { UInt8(ascii: "a") + $0 % 26 }
        var edits = JSONEdits()
        var position = random.int(0...5)
        while position < text.count {
            let end = min(position + random.int(0...6), text.count)
            edits.replace(position..<end, with: random.pick([.nothing, .null, .bytes("<new>".bytes)]))
            position = end + random.int(1...9)
        }
        var same = edits
        let expected = same.applied(to: text)
        let edited = EditedText(text, edits: edits)
        #expect(edited.count == expected.count && edited.bytes == expected)
        for size in [1, 7, 64] {
            var joined: [UInt8] = []
            for start in stride(from: 0, to: edited.count, by: size) {
                let part = start..<min(start + size, edited.count)
                var bytes: [UInt8] = []
                edited.forEachPiece(of: part) { bytes.append(contentsOf: $0) }
                #expect(bytes.count == part.count)
                joined += bytes
            }
            #expect(joined == expected)
        }
        #expect(EditedText(text).bytes == text)
    }
}
