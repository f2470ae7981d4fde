package import VerbatimAPI
import VerbatimJSON
import VerbatimSSE

/// Processes a reply as the proxy does: splits the stream, has each event read, and collects what the agent
/// receives.
package struct StreamDriver: Sendable {
    package private(set) var reply: any ReplyTransform
    /// What the agent has received.
    package private(set) var output: [UInt8] = []
    /// What became of each event, in order.
    package private(set) var events: [SeenEvent] = []
    /// The errors that events carried.
    package private(set) var errors: [String] = []

    private var splitter = EventSplitter()
    /// Bytes that are not part of a unit yet.
    private var pending: [UInt8] = []
    private var keptLastUnit = true

    package init(_ reply: any ReplyTransform) { self.reply = reply }

    package var outputText: String { String(decoding: output, as: UTF8.self) }

    /// Takes bytes as they come from the network.
    package mutating func feed(_ bytes: some Sequence<UInt8>) {
        pending += bytes
        let arrived = pending
        var start = 0
        while let unit = splitter.nextUnit(in: arrived.span.extracting(start...)) {
            let bytes = arrived[start..<start + unit.length]
            start += unit.length
            switch unit.kind {
            case .event: read(Array(bytes))
            case .filler:
                output += bytes
                keptLastUnit = true
            case .lineFeed: if keptLastUnit { output += bytes }
            }
        }
        if start > 0 { pending = Array(arrived[start...]) }
    }

    /// Ends the stream. What is left is an event without its blank line.
    package mutating func finish() {
        if !pending.isEmpty { read(pending) }
        pending = []
    }

    private mutating func read(_ event: [UInt8]) {
        let disposition = reply.read(event: event.span)
        events.append(SeenEvent(disposition: disposition, isEdited: !reply.edits.isEmpty))
        if let error = reply.error { errors.append(String(decoding: error, as: UTF8.self)) }
        keptLastUnit = disposition.keepsEvent
        switch disposition {
        case .passThrough, .terminal: output += reply.edited(event)
        case .drop: break
        case .replace(let others, _): output += others.joined()
        }
    }
}

/// What became of an event.
package struct SeenEvent: Equatable {
    package let disposition: EventDisposition
    package let isEdited: Bool

    package var isDropped: Bool { disposition == .drop }
    package var isUntouched: Bool { disposition == .passThrough && !isEdited }
    package var isRestored: Bool { disposition == .passThrough && isEdited }
    package var isTerminal: Bool { disposition.isTerminal }
}

extension ReplyTransform {
    /// The event or the body that was read last, with the edits made.
    fileprivate func edited(_ bytes: [UInt8]) -> [UInt8] {
        var edits = edits
        return edits.isEmpty ? bytes : edits.applied(to: bytes.span)
    }
}

extension StreamDriver {
    /// Reads a stream in pieces that end at `cuts`.
    package static func run(
        _ reply: any ReplyTransform, _ stream: [UInt8], cuts: some Sequence<Int> = []
    ) -> StreamDriver {
        var driver = StreamDriver(reply)
        var start = 0
        for cut in cuts {
            driver.feed(stream[start..<cut])
            start = cut
        }
        driver.feed(stream[start...])
        driver.finish()
        return driver
    }

    /// Reads a stream in two pieces, for each of the `cuts`, until `body` returns false.
    ///
    /// A transform is given units, and is a value: cuts that leave the units as they are have the result of the whole
    /// stream, which is passed once, with the first of them.
    package static func run(
        _ reply: any ReplyTransform, _ stream: [UInt8], cutInTwoAt cuts: some Sequence<Int>,
        _ body: (_ cut: Int, StreamDriver) throws -> Bool
    ) rethrows {
        let whole = units(of: stream, cut: stream.count)
        var isWholeRead = false
        for cut in cuts {
            let isWhole = units(of: stream, cut: cut) == whole
            if isWhole && isWholeRead { continue }
            isWholeRead = isWholeRead || isWhole
            guard try body(cut, run(reply, stream, cuts: [cut])) else { return }
        }
    }

    /// The units of a stream in two pieces. The rest after them is the same if they are.
    private static func units(of stream: [UInt8], cut: Int) -> [EventSplitter.Unit] {
        var splitter = EventSplitter()
        var units: [EventSplitter.Unit] = []
        var start = 0
        for end in [cut, stream.count] {
            while let unit = splitter.nextUnit(in: stream.span.extracting(start..<end)) {
                units.append(unit)
                start += unit.length
            }
        }
        return units
    }

    package static func run(_ reply: any ReplyTransform, _ stream: String) -> StreamDriver {
        run(reply, Array(stream.utf8))
    }

    /// Reads a stream of events with these data, followed by `[DONE]`.
    package static func run(_ reply: any ReplyTransform, events: [String]) -> StreamDriver {
        run(reply, streamText(events))
    }
}

/// The text of a stream of events with these data, followed by `[DONE]`.
package func streamText(_ events: [String]) -> String { (events + ["[DONE]"]).map { "data: \($0)\n\n" }.joined() }

/// Reads a reply that is not streamed. Returns what the agent receives, and the transform that has read it.
package func readWhole(
    _ reply: any ReplyTransform, _ body: [UInt8]
) -> (output: [UInt8], reply: any ReplyTransform) {
    var reply = reply
    switch reply.read(body: body.span) {
    case .passThrough: return (reply.edited(body), reply)
    case .replace(let other): return (other, reply)
    case .objects: return (body, reply)
    }
}
