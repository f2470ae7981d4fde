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
    init(byteByByte stream: [UInt8]) {
        for byte in stream { feed([byte]) }
    }

    mutating func feed(_ piece: some Sequence<UInt8>) {
        var bytes = unclaimed
        let before = bytes.count
        unclaimed = []
        bytes += piece
        fed += bytes.count - before
        while let unit = splitter.nextUnit(in: bytes.span) {
            units.append(Unit(kind: unit.kind, bytes: Array(bytes[..<unit.length]), fed: fed))
            bytes.removeFirst(unit.length)
        }
        unclaimed = bytes
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
