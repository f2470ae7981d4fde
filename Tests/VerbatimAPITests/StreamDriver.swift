import VerbatimSSE
import VerbatimJSON
import VerbatimAPI

/// Does with a stream what a proxy does with it: splits it, reads it, and lets out what the agent gets.
struct StreamDriver {
    private(set) var reply: any ReplyTransform
    /// What the agent has got.
    private(set) var output: [UInt8] = []
    /// What became of each event, in order.
    private(set) var fates: [SeenFate] = []
    /// The errors that events carried.
    private(set) var errors: [String] = []

    private var splitter = EventSplitter()
    /// Bytes that no unit has claimed yet.
    private var pending: [UInt8] = []
    private var hasDroppedLastUnit = false

    init(_ reply: any ReplyTransform) { self.reply = reply }

    /// Takes what the network has brought.
    mutating func feed(_ bytes: some Sequence<UInt8>) {
        let arrived = pending + bytes
        var start = 0
        while let unit = splitter.nextUnit(in: arrived.span.extracting(start...)) {
            let bytes = Array(arrived[start..<start + unit.length])
            start += unit.length
            switch unit.kind {
            case .event: pass(bytes)
            case .filler:
                output += bytes
                hasDroppedLastUnit = false
            case .lineFeed: if !hasDroppedLastUnit { output += bytes }
            }
        }
        pending = Array(arrived[start...])
    }

    /// Ends the stream: what is left is an event that lacks its blank line.
    mutating func finish() {
        if !pending.isEmpty { pass(pending) }
        pending = []
    }

    var outputText: String { String(decoding: output, as: UTF8.self) }

    private mutating func pass(_ event: [UInt8]) {
        let disposition = reply.read(event: event.span)
        fates.append(SeenFate(disposition: disposition, isEdited: !reply.edits.isEmpty))
        if let error = reply.error { errors.append(String(decoding: error, as: UTF8.self)) }
        hasDroppedLastUnit = disposition == .drop
        if disposition == .drop { return }
        output += edited(event, by: reply)
    }
}

/// What became of an event.
struct SeenFate {
    let disposition: EventDisposition
    let isEdited: Bool

    var isDrop: Bool { disposition == .drop }
    var isForward: Bool { disposition == .passThrough && !isEdited }
    var isEdit: Bool { disposition == .passThrough && isEdited }
    var isTerminal: Bool { disposition == .terminal }
}

/// What was read last, as the agent gets it.
private func edited(_ bytes: [UInt8], by reply: any ReplyTransform) -> [UInt8] {
    var edits = reply.edits
    return edits.isEmpty ? bytes : edits.applied(to: bytes.span)
}

extension StreamDriver {
    /// The stream, run through in pieces that end at `cuts`.
    static func run(_ reply: any ReplyTransform, _ stream: [UInt8], cuts: some Sequence<Int> = []) -> StreamDriver {
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

    static func run(_ reply: any ReplyTransform, _ stream: String) -> StreamDriver { run(reply, Array(stream.utf8)) }

    /// A stream of events with these data, `[DONE]` behind them.
    static func run(_ reply: any ReplyTransform, events: [String]) -> StreamDriver {
        run(reply, (events + ["[DONE]"]).map { "data: \($0)\n\n" }.joined())
    }
}

/// A reply that was not streamed, as the agent gets it, and what was captured of it.
func readWhole(_ reply: any ReplyTransform, _ body: [UInt8]) -> (output: [UInt8], reply: any ReplyTransform) {
    var reply = reply
    let disposition = reply.read(body: body.span)
    if case .replace(let other) = disposition { return (other, reply) }
    return (edited(body, by: reply), reply)
}
