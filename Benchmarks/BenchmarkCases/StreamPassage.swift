import VerbatimSSE
import VerbatimJSON
import VerbatimAPI
import VerbatimSchema

/// Processes a stream as the proxy does: splits it into events, reads and restores each event, and writes what the
/// agent receives.
struct StreamPassage {
    private var reply: any ReplyTransform
    private var splitter = EventSplitter()
    /// Bytes that have been received but do not form a complete unit yet.
    private var unclaimed: [UInt8] = []
    private var lastIsDropped = false
    private var hasSeenOutput = false
    private var hasSeenError = false
    private var hasEnded = false
    /// The bytes to be written to the agent.
    private var output: [UInt8] = []
    private(set) var writtenBytes = 0

    init(_ reply: any ReplyTransform) { self.reply = reply }

    /// Passes a whole stream that arrives in pieces of `pieces` bytes.
    static func of(_ stream: [UInt8], in turn: Turn, pieces: Int) -> StreamPassage {
        var passage = StreamPassage(turn.reply)
        for start in stride(from: 0, to: stream.count, by: pieces) {
            passage.receive(stream.span.extracting(start..<min(start + pieces, stream.count)))
        }
        return passage
    }

    /// Takes bytes that arrived together and writes everything that can be written.
    mutating func receive(_ bytes: Span<UInt8>) {
        output.removeAll(keepingCapacity: true)
        if unclaimed.isEmpty {
            let claimed = pass(bytes)
            unclaimed.append(copying: bytes, claimed..<bytes.count)
        } else {
            var text: [UInt8] = []
            swap(&text, &unclaimed)
            text.append(copying: bytes, 0..<bytes.count)
            let claimed = pass(text.span)
            if claimed > 0 { text.removeFirst(claimed) }
            swap(&text, &unclaimed)
        }
        writtenBytes += output.count
    }

    /// Returns the capture of the whole stream.
    func captured() -> Capture {
        let capture = reply.captured()
        precondition(hasEnded && hasSeenOutput && !hasSeenError && unclaimed.isEmpty)
        precondition(capture.isComplete && capture.level == .tokens)
        return capture
    }

    /// Passes the complete units at the front of `text` and returns their length.
    private mutating func pass(_ text: Span<UInt8>) -> Int {
        var start = 0
        while let unit = splitter.nextUnit(in: text.extracting(start...)) {
            let bytes = text.extracting(start..<start + unit.length)
            start += unit.length
            switch unit.kind {
            case .event: read(bytes)
            case .filler:
                output.append(copying: bytes, 0..<bytes.count)
                lastIsDropped = false
            case .lineFeed: if !lastIsDropped { output.append(copying: bytes, 0..<bytes.count) }
            }
        }
        return start
    }

    private mutating func read(_ event: Span<UInt8>) {
        let disposition = reply.read(event: event)
        if reply.error != nil { hasSeenError = true }
        if !hasSeenOutput && reply.hasOutput { hasSeenOutput = true }
        lastIsDropped = disposition == .drop
        if lastIsDropped { return }
        if disposition == .terminal { hasEnded = true }
        var edits = reply.edits
        if edits.isEmpty {
            output.append(copying: event, 0..<event.count)
        } else {
            output.append(event, with: &edits)
        }
    }
}

extension [UInt8] {
    /// Appends the edited text.
    mutating func append(_ text: Span<UInt8>, with edits: inout JSONEdits) {
        // The proxy needs the length too: it is the size of a chunk.
        let length = count + edits.editedLength(of: text.count)
        edits.forEachPiece(of: text.count) { range in
            append(copying: text, range)
        } replacement: { replacement in
            switch replacement {
            case .nothing: break
            case .null: append(contentsOf: "null".utf8)
            case .bytes(let bytes): append(contentsOf: bytes)
            }
        }
        precondition(count == length)
    }
}
