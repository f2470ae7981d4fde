import VerbatimJSON
import TestSupport
import Testing

@Suite struct ByteRopeTests {
    private func rope(_ bytes: [UInt8], pieces size: Int) -> ByteRope {
        var rope = ByteRope()
        for start in stride(from: 0, to: bytes.count, by: size) { rope.append(Array(bytes[start...].prefix(size))) }
        return rope
    }

    private func bytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { _ in UInt8(random.int(0...255)) }
    }

    /// Fails unless every accessor of `rope` agrees that it contains `expected`.
    private func expect(_ rope: ByteRope, holds expected: [UInt8], _ location: SourceLocation = #_sourceLocation) {
        var pieces: [UInt8] = []
        var emptyPieces = 0
        rope.forEachPiece { piece in
            pieces += piece.count > 0 ? Array(copying: piece) : []
            if piece.isEmpty { emptyPieces += 1 }
        }
        var line = "x".bytes
        line.append(rope)
        #expect(rope.bytes == expected, sourceLocation: location)
        #expect(pieces == expected && emptyPieces == 0, sourceLocation: location)
        #expect(line == "x".bytes + expected, sourceLocation: location)
        #expect(rope.count == expected.count && rope.isEmpty == expected.isEmpty, sourceLocation: location)
        #expect(rope == ByteRope(expected), sourceLocation: location)
    }

    @Test(arguments: [1, 2, 3, 7, 63, 64, 65, 127, 1000, 4096, 16383, 16384, 16385, 40000, 100_000])
    func piecesOfAnySizeAreAppended(size: Int) {
        let all = bytes(100_000)
        expect(rope(all, pieces: size), holds: all)
        expect(rope([], pieces: size), holds: [])
    }

    @Test func everyKindOfAppendGivesTheSameBytes() {
        var rope = ByteRope()
        rope.append(1)
        rope.append([2, 3])
        rope.append([])
        rope.append(copying: [9, 4, 5, 9].span, 1..<3)
        rope.append("é\u{0}")
        rope.append("")
        let answer = rope.append(about: 2) { last in
            last += [6, 7]
            return "answer"
        }
        #expect(answer == "answer")
        rope.append(about: 9) { _ in }
        rope.append(ByteRope([8]))
        rope.append(ByteRope())
        let whole = rope
        rope.append(whole)
        let expected: [UInt8] = [1, 2, 3, 4, 5, 0xC3, 0xA9, 0, 6, 7, 8]
        expect(whole, holds: expected)
        expect(rope, holds: expected + expected)
    }

    /// Ropes that were copied, or have become parts of each other, do not affect each other.
    @Test(arguments: 0..<100 as Range<UInt64>)
    func ropesGrowIndependently(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var ropes = [ByteRope](repeating: ByteRope(), count: 4)
        var expected = [[UInt8]](repeating: [], count: 4)
        for step in 0..<80 {
            let (one, other) = (random.int(0...3), random.int(0...3))
            let piece = bytes(random.pick([0, 1, 5, 63, 64, 65, 300, 3000]), seed: seed << 8 | UInt64(step))
            switch random.int(0...6) {
            case 0:
                ropes[one].append(UInt8(step))
                expected[one].append(UInt8(step))
            case 1, 2:
                ropes[one].append(piece)
                expected[one] += piece
            case 3:
                let length = random.pick([0, 1, piece.count, 2 * piece.count])
                ropes[one].append(about: length) { last in for byte in piece { last.append(byte) } }
                expected[one] += piece
            case 4 where expected[one].count + expected[other].count < 200_000:
                ropes[one].append(ropes[other])
                expected[one] += expected[other]
            case 5:
                ropes[one] = ropes[other]
                expected[one] = expected[other]
            default:
                ropes[one] = ByteRope(piece)
                expected[one] = piece
            }
            for index in ropes.indices { #expect(ropes[index].count == expected[index].count) }
            if step % 20 == 0 { for index in ropes.indices { expect(ropes[index], holds: expected[index]) } }
        }
        for index in ropes.indices { expect(ropes[index], holds: expected[index]) }
    }

    @Test func equalityDoesNotDependOnThePieces() {
        let all = bytes(5000)
        let ropes = [1, 3, 64, 700, 5000].map { rope(all, pieces: $0) }
        for one in ropes { for other in ropes { #expect(one == other) } }
        for place in [0, 1, 63, 64, 2500, 4999] {
            var changed = all
            changed[place] ^= 1
            for one in ropes { #expect(one != rope(changed, pieces: 64) && one != rope(all.dropLast(), pieces: 64)) }
        }
        #expect(ByteRope() == ByteRope([]))
    }

    // MARK: Room

    /// Returns the capacity of all pieces and of the last one, in bytes, and the number of pieces.
    private func room(in rope: ByteRope) -> (all: Int, last: Int, pieces: Int) {
        var room = (all: 0, last: 0, pieces: 0)
        rope.forEachPiece { piece in
            room.last = piece.capacity - piece.count
            room.all += room.last
            room.pieces += 1
        }
        return room
    }

    /// Tolerance for the rounding of the allocator.
    private static let rounding = 64

    @Test(arguments: [1, 3, 40, 64, 300, 1024, 5000])
    func theLastPieceHasLittleUnusedRoom(size: Int) {
        let piece = bytes(size)
        var rope = ByteRope()
        while rope.count < 400_000 {
            rope.append(piece)
            // Not after each append: there may be many.
            guard size > 100 || rope.count % 37 == 0 else { continue }
            let room = room(in: rope)
            guard room.last > max(rope.count / 8, 256) + Self.rounding else { continue }
            Issue.record("\(room) of \(rope.count)")
            return
        }
        // Pieces get larger as the rope grows, so there are fewer than appends.
        let pieces = room(in: rope).pieces
        #expect(pieces < 200)
    }

    /// A rope made of keys and shared parts, as a reply is, takes little more memory than its bytes.
    @Test(arguments: [64, 100, 1000, 5000, 20_000])
    func sharingWastesLittle(size: Int) {
        let part = rope(bytes(size), pieces: 50)
        let others = room(in: part)
        var rope = ByteRope()
        for _ in 0..<300 {
            rope.append("\"key\":")
            rope.append(part)
        }
        let room = room(in: rope)
        let shared = 300 * others.all
        #expect(room.all - shared <= rope.count + rope.count / 4 + Self.rounding * room.pieces)
    }
}

extension [UInt8] {
    fileprivate init(copying bytes: borrowing [UInt8]) {
        self = []
        for index in bytes.indices { append(bytes[index]) }
    }
}

/// Tests of the types that are built on ropes.
@Suite struct JSONTextTests {
    private func line(_ text: JSONText) -> (bytes: [UInt8], losses: JSONNormalizer.Losses) {
        var line = "x".bytes
        let losses = text.append(to: &line)
        return (Array(line.dropFirst()), losses)
    }

    @Test func normalTextIsCopied() {
        for size in [1, 63, 64, 1000, 50_000] {
            let text = ("[" + String(repeating: "1,", count: size) + "1]").bytes
            var rope = ByteRope()
            for byte in text { rope.append(byte) }
            for text in [JSONText(text, isNormal: true), JSONText(text), JSONText(normal: rope)] {
                let line = line(text)
                #expect(line.bytes == rope.bytes && line.losses.isEmpty && text.count == rope.count)
                #expect(text.bytes == rope.bytes)
            }
        }
    }

    @Test func otherTextIsNormalized() {
        let text = JSONText("[ NaN , \"\u{2028}".bytes + [0xFF] + "\" ]".bytes)
        let line = line(text)
        #expect(line.bytes == #"[null,"\u2028"#.bytes + "\u{FFFD}\"]".bytes)
        #expect(line.losses == [.nonFiniteNumber, .invalidUTF8])
        #expect(!text.isNormal && text == JSONText(text.bytes))
    }

    /// A list of any length, built in any way, equals the array of its elements.
    @Test(arguments: 0..<150 as Range<UInt64>)
    func listsContainTheirElements(seed: UInt64) {
        var generator = JSONTextGenerator(seed: seed, extras: JSONOutlineTests.everything)
        var lists = [JSONList](repeating: JSONList(), count: 3)
        var expected = [[[UInt8]]](repeating: [], count: 3)
        for _ in 0..<60 {
            let (one, other) = (generator.random.int(0...2), generator.random.int(0...2))
            switch generator.random.int(0...7) {
            case 0:
                let value = generator.value()
                lists[one].append(0..<value.count, of: value.span)
                expected[one].append(JSONNormalizer.normalized(0..<value.count, of: value))
            case 1:
                lists[one].append("-0.25".bytes)
                expected[one].append("-0.25".bytes)
            case 2:
                lists[one].append(-7)
                expected[one].append("-7".bytes)
            case 3:
                lists[one].appendNull()
                expected[one].append("null".bytes)
            case 4 where expected[one].count + expected[other].count < 3000:
                lists[one].append(contentsOf: lists[other])
                expected[one] += expected[other]
            case 5:
                lists[one] = lists[other]
                expected[one] = expected[other]
            case 6:
                let number = generator.random.int(-1...3)
                lists[one].removeFirst(number)
                expected[one].removeFirst(min(max(0, number), expected[one].count))
            default: append(elementsTo: &lists[one], &expected[one], with: &generator)
            }
        }
        for (list, expected) in zip(lists, expected) {
            let array = "[".bytes + Array(expected.joined(separator: ",".utf8)) + "]".bytes
            #expect(list.array == array && list.count == expected.count && list.isEmpty == expected.isEmpty)
            #expect(list.elements.map(Array.init) == expected)
            #expect(list.hasNumber == array.contains { (0x30...0x39).contains($0) })
            let again = JSONList(array: array.span)
            #expect(again == list && list == JSONList(expected.map { $0[...] }))
            var rope = ByteRope()
            rope.append(key: "a", isFirst: true)
            rope.append(list)
            rope.append(key: "b")
            #expect(rope.bytes == #""a":"#.bytes + array + #","b":"#.bytes)
        }
    }

    /// Appends several values at once.
    private func append(
        elementsTo list: inout JSONList, _ expected: inout [[UInt8]], with generator: inout JSONTextGenerator
    ) {
        let count = generator.random.int(0...4)
        let isNormal = generator.random.chance(50)
        var text = "[".bytes
        for index in 0..<count {
            let value = isNormal ? #"{"logprob":-1.5}"#.bytes : generator.value()
            if index > 0 { text += ",".bytes }
            text += value
            expected.append(JSONNormalizer.normalized(0..<value.count, of: value))
        }
        list.append(elements: 1..<text.count, count: count, of: text.span, isNormal: isNormal)
    }
}
