import VerbatimSSE
import TestSupport

/// Feeds a splitter as its caller does: bytes that belong to no unit yet are passed again, followed by the next bytes.
struct StreamReader {
    struct Unit: Hashable {
        let kind: EventSplitter.Unit.Kind
        let bytes: [UInt8]
        /// The number of bytes of the stream that had been fed when the unit was returned.
        let fed: Int
    }

    private var splitter = EventSplitter()
    private(set) var unclaimed: [UInt8] = []
    private(set) var units: [Unit] = []
    private var fed = 0

    /// Feeds the pieces one after the other.
    init(_ pieces: [UInt8]...) {
        for piece in pieces { feed(piece) }
    }

    /// Feeds the bytes one by one.
    init(byteByByte stream: [UInt8]) { self.init(stream, in: stream.indices, cuts: Array(stream.indices)) }

    /// Feeds a part of a stream in pieces that end at `cuts`, which are offsets in the stream.
    init(_ stream: [UInt8], in range: Range<Int>, cuts: [Int]) {
        var start = range.lowerBound
        for cut in cuts + [range.upperBound] {
            fed = cut - range.lowerBound
            read(stream, from: &start, to: cut)
        }
        unclaimed = Array(stream[start..<range.upperBound])
    }

    mutating func feed(_ piece: some Sequence<UInt8>) {
        let before = unclaimed.count
        unclaimed += piece
        fed += unclaimed.count - before
        var start = 0
        read(unclaimed, from: &start, to: unclaimed.count)
        unclaimed.removeFirst(start)
    }

    /// Takes the units that are complete before `end`, the first of which is at `start`.
    private mutating func read(_ bytes: [UInt8], from start: inout Int, to end: Int) {
        while let unit = splitter.nextUnit(in: bytes.span.extracting(start..<end)) {
            let next = start + unit.length
            units.append(Unit(kind: unit.kind, bytes: Array(bytes[start..<next]), fed: fed))
            start = next
        }
    }

    /// All bytes that were fed.
    var joined: [UInt8] { units.flatMap(\.bytes) + unclaimed }

    /// The offsets at which units end. A line feed of its own counts as part of the unit before it.
    var boundaries: [Int] {
        var boundaries: [Int] = []
        var position = 0
        for unit in units {
            position += unit.bytes.count
            if unit.kind == .lineFeed { boundaries.removeLast() }
            boundaries.append(position)
        }
        return boundaries
    }

    /// The events of the units.
    var events: [ReadEvent] {
        units.compactMap { unit in unit.kind == .event ? ReadEvent(unit.bytes) : nil }
    }
}

extension ReadEvent {
    /// Reads one event with `EventFields`; nil if the event has no data.
    init?(_ bytes: [UInt8]) {
        let fields = EventFields(of: bytes.span)
        guard let data = fields.data else { return nil }
        func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
        self.init(
            name: fields.name.map(text) ?? "message",
            data: ([data] + fields.furtherData).map(text).joined(separator: "\n")
        )
    }
}
