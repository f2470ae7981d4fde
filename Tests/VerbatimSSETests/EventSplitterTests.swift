import VerbatimSSE
import TestSupport
import Testing

/// What the naive reader finds in a stream, which may be read in many ways.
struct NaiveReading {
    let stream: [UInt8]
    let boundaries: [Int]
    let events: [ReadEvent]

    init(of stream: [UInt8]) {
        self.stream = stream
        boundaries = NaiveEventStream.boundaries(in: stream)
        events = NaiveEventStream.events(in: stream)
    }
}

/// Fails unless `reader`, which has been fed all of the stream, found the events that the naive reader finds.
func expectFaithful(_ reader: StreamReader, to naive: NaiveReading, _ location: SourceLocation = #_sourceLocation) {
    #expect(reader.joined == naive.stream, sourceLocation: location)
    #expect(reader.boundaries == naive.boundaries, sourceLocation: location)
    #expect(reader.events == naive.events, sourceLocation: location)
    for (index, unit) in reader.units.enumerated() where unit.kind == .lineFeed {
        #expect(unit.bytes == [0x0A], sourceLocation: location)
        #expect(index > 0 && reader.units[index - 1].bytes.last == 0x0D, sourceLocation: location)
    }
}

@Suite struct EventSplitterTests {
    @Test(arguments: 0..<300 as Range<UInt64>)
    func splitsStreamsThatArriveInOneOrTwoPieces(seed: UInt64) {
        var generator = EventStreamGenerator(seed: seed)
        let stream = generator.stream()
        let whole = StreamReader(stream)
        let expected = NaiveReading(of: stream)
        expectFaithful(whole, to: expected)
        #expect(!whole.units.contains { $0.kind == .lineFeed })
        for position in 0...stream.count {
            let halved = StreamReader(stream, in: stream.indices, cuts: [position])
            expectFaithful(halved, to: expected)
            // A line feed can be a unit of its own only where two pieces meet.
            let lineFeeds = halved.units.count { $0.kind == .lineFeed }
            #expect(lineFeeds <= 1 && halved.units.count == whole.units.count + lineFeeds)
        }
    }

    @Test(arguments: 0..<600 as Range<UInt64>)
    func splitsStreamsThatArriveInPiecesOfAnySize(seed: UInt64) {
        var generator = EventStreamGenerator(seed: seed)
        let stream = generator.stream()
        var reader = StreamReader()
        var position = 0
        while position < stream.count {
            let end = min(stream.count, position + generator.random.int(0...9))
            reader.feed(stream[position..<end])
            position = end
        }
        expectFaithful(reader, to: NaiveReading(of: stream))
    }

    /// No unit waits for the byte after it, and none is split, except that a line feed may be a unit of its own.
    @Test(arguments: 0..<600 as Range<UInt64>)
    func unitsAreReturnedWithTheByteThatMakesThemCertain(seed: UInt64) {
        var generator = EventStreamGenerator(seed: seed)
        let stream = generator.stream()
        let reader = StreamReader(byteByByte: stream)
        expectFaithful(reader, to: NaiveReading(of: stream))
        var end = 0
        for unit in reader.units {
            end += unit.bytes.count
            #expect(unit.fed == end)
        }
        let whole = StreamReader(stream)
        #expect(reader.units.filter { $0.kind != .lineFeed }.map(\.kind) == whole.units.map(\.kind))
    }

    @Test(arguments: [
        ("data: x\n\n", [EventSplitter.Unit.Kind.event]), ("data: x\r\n\r\n", [.event]), ("data: x\r\r", [.event]),
        ("data: x\r\n\n", [.event]), ("data: x\n\r\n", [.event]), ("data: x\n\r", [.event]),
        (": hi\n\n", [.filler, .filler]),
        (": hi\r\n\r\n", [.filler, .filler]), (": hi\ndata: x\n\n", [.filler, .event]), ("data: x\n: hi\n\n", [.event]),
        ("\n\n\n", [.filler, .filler, .filler]), ("\r\r\r", [.filler, .filler, .filler]),
        ("\r\n\r\n", [.filler, .filler]),
        ("\n\r\n\r", [.filler, .filler, .filler]), ("id: 1\n\ndata: x\n\n", [.event, .event]), ("data: x\n", []),
        ("data: x\r", []), ("data: x", []), ("", []), (":", []), (":\r", [.filler]),
        ("\u{FEFF}", [.filler]), ("\u{FEFF}data: x\n\n", [.filler, .event]), ("\u{FEFF}: hi\n", [.filler, .filler]),
        ("\u{FEFF}\n", [.filler, .filler]), ("\n\u{FEFF}: x\n\n", [.filler, .event]),
        ("\u{FEFF}\u{FEFF}: x\n\n", [.filler, .event]),
    ])
    func returnsTheKindOfEachUnit(stream: String, kinds: [EventSplitter.Unit.Kind]) {
        let stream = Array(stream.utf8)
        #expect(StreamReader(stream).units.map(\.kind) == kinds)
        #expect(StreamReader(byteByByte: stream).units.filter { $0.kind != .lineFeed }.map(\.kind) == kinds)
        expectFaithful(StreamReader(stream), to: NaiveReading(of: stream))
    }

    @Test func aLineFeedMayArriveMuchLater() {
        var reader = StreamReader(Array("data: x\r\n\r".utf8))
        #expect(reader.units.map(\.kind) == [.event])
        reader.feed([])
        #expect(reader.units.count == 1)
        reader.feed("\n".utf8)
        #expect(reader.units.map(\.kind) == [.event, .lineFeed])
        reader.feed("\n".utf8)
        #expect(reader.units.map(\.kind) == [.event, .lineFeed, .filler])
    }

    @Test func aCommentBetweenEventsDoesNotWaitForTheNextEvent() {
        var reader = StreamReader(Array(": keep-alive\r".utf8))
        #expect(reader.units.map(\.kind) == [.filler])
        reader.feed("\n".utf8)
        reader.feed("\r".utf8)
        reader.feed("\n".utf8)
        #expect(reader.units.map(\.kind) == [.filler, .lineFeed, .filler, .lineFeed])
        #expect(reader.unclaimed.isEmpty)
    }

    @Test func aByteOrderMarkIsRecognizedOnlyAtTheStart() {
        let stream = Array("data: a\n\n\u{FEFF}data: b\n\n".utf8)
        let reader = StreamReader(byteByByte: stream)
        expectFaithful(reader, to: NaiveReading(of: stream))
        #expect(reader.events == [ReadEvent(name: "message", data: "a")])
    }

    @Test func partOfAByteOrderMarkIsNotRecognized() {
        for front in [[0xEF], [0xEF, 0xBB], [0xEF, 0xBB, 0xBE], [0xEF, 0xBF, 0xBF], [0xFE, 0xFF]] as [[UInt8]] {
            let stream = front + Array("\n\n".utf8)
            let reader = StreamReader(byteByByte: stream)
            expectFaithful(reader, to: NaiveReading(of: stream))
            #expect(reader.units.map(\.kind) == [.event])
        }
    }

    /// Each line ending at each offset, also near the end of the bytes.
    @Test func findsLineEndingsAtEveryOffset() {
        for length in 0...40 {
            for ending in ["\n", "\r", "\r\n"] {
                // Bytes that differ from a line ending in one bit, or that a careless comparison confuses with one.
                for filling in [UInt8(ascii: "x"), 0x0B, 0x0C, 0x8A, 0x8D, 0x00, 0xFF, 0x0E, 0x09] {
                    let line = Array("data:".utf8) + [UInt8](repeating: filling, count: length) + Array(ending.utf8)
                    let stream = line + Array(ending.utf8) + line
                    let reader = StreamReader(stream)
                    #expect(reader.joined == stream)
                    #expect(reader.units.map(\.bytes.count) == [line.count + ending.utf8.count])
                }
            }
        }
    }
}
