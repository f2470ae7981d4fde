import TestSupport
import Testing

@testable import VerbatimJSON

/// The outline of a document is the same whether its array elements are skipped by a template or scanned.
@Suite struct ArrayTemplateMatcherTests {
    private static let depths = 0...9

    /// An entry of log-probabilities, or something similar.
    private struct Entry {
        var text: [UInt8]

        init(_ random: inout SeededGenerator, alternatives: Int = 2) {
            func token() -> String {
                let parts = ["a", " ", "é", "\u{1F600}", #"\n"#, #"\""#, #"\u00e9"#, "socket", "}", "]", ",{"]
                return "\"" + (0..<random.int(0...4)).map { _ in random.pick(parts) }.joined() + "\""
            }
            func content() -> String {
                let values = (0..<random.int(0...5)).map { _ in String(random.int(0...255)) }.joined(separator: ",")
                let number = random.pick(["-0.5", "0", "-1.25e-7", "-12.123456789012345", "17"])
                return #""token":\#(token()),"logprob":\#(number),"bytes":[\#(values.isEmpty ? "7" : values)]"#
            }
            let others = (0..<alternatives).map { _ in "{\(content())}" }.joined(separator: ",")
            text = Array(#"{\#(content()),"top_logprobs":[\#(others)],"none":[[],{}],"more":null}"#.utf8)
        }

        /// Changes, adds or removes one byte.
        mutating func spoil(_ random: inout SeededGenerator) {
            let index = random.int(0...text.count - 1)
            let byte = random.pick(Array("\"\\{}[],:-+.0e5tNI \n x".utf8) + [0x1F, 0x80, 0xC2, 0xFF])
            switch random.int(0...2) {
            case 0: text[index] = byte
            case 1: text.insert(byte, at: index)
            default: text.remove(at: index)
            }
        }
    }

    private static func document(_ entries: [[UInt8]], depth: Int) -> [UInt8] {
        let list = Array("[".utf8) + entries.joined(by: ",") + Array("]".utf8)
        let front = String(repeating: #"{"a":["#, count: depth) + #"{"content":"#
        let back = #","refusal":null}"# + String(repeating: "]}", count: depth)
        return Array(front.utf8) + list + Array(back.utf8)
    }

    @Test(arguments: 0..<120 as Range<UInt64>)
    func skippedElementsHaveTheOutlineOfScannedElements(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let depth = random.int(Self.depths)
        let entries = (0..<random.int(1...60)).map { _ in
            var entry = Entry(&random, alternatives: random.chance(90) ? 2 : random.int(0...3))
            if random.chance(5) { entry.text.insert(UInt8(ascii: " "), at: 1) }
            return entry.text
        }
        expectOutline(of: Self.document(entries, depth: depth))
    }

    @Test(arguments: 0..<400 as Range<UInt64>)
    func spoiledElementsAreRejectedAsIfScanned(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var entries = (0..<40).map { _ in Entry(&random) }
        for _ in 0...random.int(0...2) { entries[random.int(0...entries.count - 1)].spoil(&random) }
        let text = Self.document(entries.map(\.text), depth: random.int(Self.depths))
        expectOutline(of: text)
        expectOutline(of: Array(text.prefix(random.int(0...text.count))))
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func arraysWithinElementsHaveTheirOwnTemplates(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let outer = (0..<30).map { _ in
            Self.document((0..<random.int(0...25)).map { _ in Entry(&random).text }, depth: 1)
        }
        expectOutline(of: Self.document(outer, depth: 0))
    }

    /// Some elements are not objects.
    @Test(arguments: 0..<200 as Range<UInt64>)
    func elementsOfOtherKindsInterruptMatching(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let others = ["7", #""a""#, "null", "[1,2]", "[]", "{}", #"[{"a":1}]"#].map { Array($0.utf8) }
        let share = random.pick([3, 10, 40])
        let entries = (0..<60).map { _ in random.chance(share) ? random.pick(others) : Entry(&random).text }
        let before = random.chance(50) ? [Entry(&random).text, random.pick(others)] : [random.pick(others)]
        expectOutline(of: Self.document(before + entries, depth: random.int(Self.depths)))
        expectOutline(of: Self.document([Self.document(before, depth: 2)] + entries, depth: 1))
    }

    /// Arrays of the same shape, in each of which the object is not the first element.
    @Test func repeatedShortArraysAreOutlinedCorrectly() {
        var random = SeededGenerator(seed: 3)
        for other in ["1", #""a""#, "[]", "{}"] {
            let lists = (0..<40).map { _ in Array(#""b":[\#(other),"#.utf8) + Entry(&random).text + Array("]".utf8) }
            expectOutline(of: Array("{".utf8) + lists.joined(by: ",") + Array("}".utf8))
        }
    }

    @Test func theOutlineGrowsIfElementsHaveMoreContainersThanExpected() {
        let lists = Array(repeating: "[]", count: 60).joined(separator: ",")
        let element = Array(#"{"a":[\#(lists)],"b":17}"#.utf8)
        for count in 17...40 { expectOutline(of: Self.document(Array(repeating: element, count: count), depth: 0)) }
    }

    @Test func elementsAroundTheGreatestTemplateLengthAreOutlinedCorrectly() {
        for length in [65_534, 65_535, 65_536] {
            for (front, filling, back) in [
                (#"{"a":""#, "x", #""}"#), (#"{"a":[1"#, ",1", "]}"), (#"{"a":-1"#, "1", "}"), (#"{"a":"#, " ", "1}"),
            ] {
                let count = (length - front.utf8.count - back.utf8.count) / filling.utf8.count
                let long = Array((front + String(repeating: filling, count: count) + back).utf8)
                let short = Array((front + String(repeating: filling, count: 100) + back).utf8)
                let shorts = Array(repeating: short, count: 40)
                expectOutline(of: Self.document(shorts + [long] + shorts, depth: 0))
                expectOutline(of: Self.document(Array(repeating: long, count: 18), depth: 0))
            }
        }
    }

    @Test func theDepthLimitHoldsWithinMatchingElements() {
        for depth in 506...513 {
            let nested = String(repeating: "[", count: depth) + "1" + String(repeating: "]", count: depth)
            expectOutline(of: Self.document(Array(repeating: Array(#"{"a":\#(nested)}"#.utf8), count: 20), depth: 0))
        }
    }

    @Test func truncatedDocumentsAreRejected() {
        var random = SeededGenerator(seed: 5)
        let text = Self.document((0..<20).map { _ in Entry(&random).text }, depth: 1)
        for length in 0...text.count { expectOutline(of: Array(text.prefix(length))) }
    }

    @Test func aTemplateIsMadeOfALaterElementIfTheFirstElementsDiffer() {
        var random = SeededGenerator(seed: 9)
        let odd = (0..<3).map { Array(#"{"odd\#($0)":"\#(String(repeating: "x", count: 120))"}"#.utf8) }
        let entries = (0..<60).map { _ in Entry(&random).text }
        var matcher = ArrayTemplateMatcher()
        let text = Array("[".utf8) + (odd + entries).joined(by: ",") + Array("]".utf8)
        var containers = Array(repeating: JSONContainer(end: 0, next: 0), count: 2000)
        var count = 2
        var start = 1
        var ends: [Int] = []
        text.withUnsafeBufferPointer { text in
            containers.withUnsafeMutableBufferPointer { containers in
                // Elements that are not skipped are scanned.
                for element in odd + entries where start < text.count {
                    let end = start + element.count
                    guard text[end] == UInt8(ascii: ",") else { break }
                    // The containers of the element itself are left out.
                    ends.append(matcher.skip(after: start..<end, at: count, of: 0, in: text, containers, &count))
                    if ends.last != end { break }
                    start = end + 1
                }
            }
        }
        #expect(ends.last == text.count - 1)
        #expect(ends.count <= 8)
    }

    /// Elements are really skipped, except in an array within an element of the array that is being matched.
    @Test(arguments: [true, false])
    func matchingElementsAreSkipped(isWithinAnother: Bool) throws {
        var random = SeededGenerator(seed: 7)
        let entries = (0..<40).map { _ in Entry(&random).text }
        let text = Array("[".utf8) + entries.joined(by: ",") + Array("]".utf8)
        let outline = try #require(JSONOutline(of: text))
        // The container of the array, and those of its first element.
        let first = 1 + (outline.count - 1) / entries.count
        var containers: [JSONContainer] = []
        var count = 0
        var matcher = ArrayTemplateMatcher()
        func skip(in list: Int32) -> Int {
            containers = outline.containers
            containers[0].next = list == 0 || isWithinAnother ? 0 : 1
            for place in first..<containers.count { containers[place] = JSONContainer(end: 0, next: 0) }
            count = first
            return text.withUnsafeBufferPointer { text in
                containers.withUnsafeMutableBufferPointer {
                    matcher.skip(after: 1..<1 + entries[0].count, at: 1, of: list, in: text, $0, &count)
                }
            }
        }
        #expect(skip(in: 0) == text.count - 1)
        #expect(count == outline.count)
        let skipped = containers[1..<count].map { [$0.end, $0.next] }
        #expect(skipped == outline.containers[1..<count].map { [$0.end, $0.next] })
        #expect(skip(in: 1) == (isWithinAnother ? 1 + entries[0].count : text.count - 1))
        #expect(count == (isWithinAnother ? first : outline.count))
    }

    // MARK: The expected outline

    private func expectOutline(of text: [UInt8], _ location: SourceLocation = #_sourceLocation) {
        var outline = JSONOutline()
        let isTaken = outline.take(of: text)
        var expected: [Int32] = []
        let isJSON = Self.walk(text, &expected)
        #expect(isTaken == isJSON, "\(String(decoding: text, as: UTF8.self))", sourceLocation: location)
        guard isTaken, isJSON else { return }
        var containers: [Int32] = []
        for place in 0..<outline.count {
            containers.append(outline.containers[place].end)
            containers.append(outline.containers[place].next)
        }
        #expect(containers == expected, "\(String(decoding: text, as: UTF8.self))", sourceLocation: location)
        #expect(
            outline.isNormal == (JSONNormalizer.normalized(0..<text.count, of: text.span) == text),
            sourceLocation: location)
    }

    /// Appends the containers that a cursor finds in `text`, two numbers each. Returns false if `text` is not JSON.
    private static func walk(_ text: [UInt8], _ containers: inout [Int32]) -> Bool {
        func value(_ cursor: inout JSONCursor) throws(JSONError) {
            let place = containers.count
            switch try cursor.peekKind(in: text) {
            case .object:
                containers += [0, 0]
                try cursor.enterObject(in: text)
                while try cursor.nextKey(in: text) != nil { try value(&cursor) }
            case .array:
                containers += [0, 0]
                try cursor.enterArray(in: text)
                while try cursor.nextElement(in: text) { try value(&cursor) }
            default:
                try cursor.skipValue(in: text)
                return
            }
            containers[place] = Int32(cursor.offset)
            containers[place + 1] = Int32(containers.count / 2)
        }
        var cursor = JSONCursor(options: .nonFiniteNumbers)
        do {
            try value(&cursor)
            try cursor.expectEnd(in: text)
            return true
        } catch {
            return false
        }
    }
}
