import TestSupport
import Testing

@testable import VerbatimSSE

/// Line endings are searched in windows of 1,024 bytes. These lines are longer, or end at the edge of a window.
@Suite struct LongLineTests {
    private static let window = 1024

    private func filling(_ count: Int) -> [UInt8] { [UInt8](repeating: UInt8(ascii: "x"), count: count) }

    /// Each line ending at a distance of up to 2 bytes from an edge, also with another one nearby.
    @Test(arguments: ["\n", "\r", "\r\n"], 1...3)
    func findsLineEndingsNextToAnEdge(ending: String, windows: Int) {
        let ending = Array(ending.utf8)
        for place in -2...2 {
            let length = windows * Self.window + place
            let line = Array("data:".utf8) + filling(length - 5) + ending
            for other in ["", "\n", "\r", "data: y\r", ": x\r"] {
                let stream = line + Array(other.utf8) + line + ending + line + Array(other.utf8) + ending
                let expected = NaiveReading(of: stream)
                expectFaithful(StreamReader(stream), to: expected)
                for cut in [length, length + 1, length + 2] {
                    expectFaithful(StreamReader(Array(stream[..<cut]), Array(stream[cut...])), to: expected)
                }
            }
        }
    }

    /// Of two line endings in one window the first counts, whatever kind it is.
    @Test func theFirstOfTwoLineEndingsCounts() {
        for (one, other) in [("\r", "\n"), ("\n", "\r")] {
            for first in [0, 1, 1000, 1021, 1022, 1023, 1024, 1025, 2047, 2048] {
                for distance in [1, 2, 7, 1022, 1023, 1024, 1025] {
                    let text = filling(first) + Array(one.utf8) + filling(distance - 1) + Array(other.utf8) + filling(9)
                    #expect(nextLineBreak(in: text, from: 0) == first)
                    #expect(nextLineBreak(in: text, from: first + 1) == first + distance)
                    #expect(nextLineBreak(in: text, from: first + distance + 1) == text.count)
                }
            }
        }
    }

    private func nextLineBreak(in text: [UInt8], from start: Int) -> Int {
        VerbatimSSE.nextLineBreak(in: text.span, from: start)
    }

    /// From every offset, the result is that of a plain search.
    @Test(arguments: 0..<100 as Range<UInt64>)
    func findsWhatAPlainSearchFinds(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let text = (0..<random.int(0...5000)).map { _ in
            random.int(0...700) == 0 ? random.pick([0x0A, 0x0D] as [UInt8]) : UInt8(random.int(0x0B...0x8D)) | 0x10
        }
        let breaks = text.indices.filter { text[$0] == 0x0A || text[$0] == 0x0D }
        for start in stride(from: 0, through: text.count, by: 13) + [text.count] {
            let expected = breaks.first { $0 >= start } ?? text.count
            #expect(nextLineBreak(in: text, from: start) == expected)
        }
        #expect(nextLineBreak(in: [], from: 0) == 0)
    }

    /// Lines of any length that arrive in pieces of any size.
    @Test(arguments: 0..<150 as Range<UInt64>)
    func splitsStreamsOfLongLines(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var stream: [UInt8] = random.chance(20) ? [0xEF, 0xBB, 0xBF] : []
        let ending = random.chance(60) ? random.pick(["\n", "\r\n", "\r"]) : nil
        for _ in 0..<random.int(1...12) {
            let length = random.pick([
                0, 0, 1, 100, Self.window * random.int(1...4) + random.int(-7...2), random.int(0...5000),
            ])
            stream += random.pick(["data: ", "data: ", ":", "", "event: "]).utf8
            stream += filling(length)
            stream += (ending ?? random.pick(["\n", "\r\n", "\r"])).utf8
            if random.chance(40) { stream += (ending ?? random.pick(["\n", "\r\n", "\r"])).utf8 }
        }
        expectFaithful(StreamReader(stream), to: NaiveReading(of: stream))
        var reader = StreamReader()
        var position = 0
        while position < stream.count {
            let end = min(stream.count, position + random.pick([1, 2, 100, 1023, 1024, 1025, random.int(1...3000)]))
            reader.feed(stream[position..<end])
            position = end
        }
        expectFaithful(reader, to: NaiveReading(of: stream))
    }

    /// Many short lines that end with `\r`, without any `\n`.
    @Test func manyCarriageReturnsAreFoundInLinearTime() {
        let stream = Array(String(repeating: "data: x\r\r", count: 20_000).utf8)
        var splitter = EventSplitter()
        var start = 0
        var count = 0
        while let unit = splitter.nextUnit(in: stream.span.extracting(start..<stream.count)) {
            #expect(unit.kind == .event && unit.length == 9)
            start += unit.length
            count += 1
        }
        #expect(count == 20_000)
    }
}
