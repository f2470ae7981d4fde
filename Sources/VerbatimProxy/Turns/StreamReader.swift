import VerbatimSSE
import VerbatimJSON
import NIOCore
import VerbatimAPI
import VerbatimHTTP

/// Splits an engine's reply into units, and lets a ``ReplyTransform`` read each.
struct StreamReader: ~Copyable {
    /// A part of a stream that is treated as a whole: an event, or bytes between events.
    struct Unit: ~Copyable {
        let bytes: ByteBuffer
        let isEvent: Bool
        let disposition: EventDisposition
        /// To be applied to ``bytes``.
        let edits: JSONEdits

        /// Writes what the agent gets.
        func write(to output: inout ResponseWriter) {
            switch disposition {
            case .passThrough, .terminal: break
            case .drop: return
            case .replace(let events, _):
                for event in events { output.body(ByteBuffer(bytes: event)) }
                return
            }
            if edits.isEmpty {
                output.body(bytes)
                return
            }
            let event = bytes.readableBytesUInt8Span
            var edits = edits
            output.body(of: edits.editedLength(of: event.count)) { buffer in
                buffer.write(event, with: &edits)
            }
        }

        /// What the agent gets, for later.
        var edited: ByteBuffer {
            if case .replace(let events, _) = disposition {
                return events.reduce(into: ByteBuffer()) { $0.writeBytes($1) }
            }
            if edits.isEmpty { return bytes }
            let event = bytes.readableBytesUInt8Span
            var edits = edits
            var buffer = ByteBuffer()
            buffer.reserveCapacity(edits.editedLength(of: event.count))
            buffer.write(event, with: &edits)
            return buffer
        }
    }

    private var reply: any ReplyTransform
    private var splitter = EventSplitter()
    /// Splits a stream that consists of JSON objects instead of events.
    private var documents: DocumentSplitter?
    /// Bytes that are not part of a unit yet.
    private var unclaimed = ByteBuffer()
    /// The bytes of the last unit go to the agent.
    private var keptLastUnit = true
    private let maximumEventSize: Int
    private(set) var hasSeenError = false
    private(set) var hasSeenEvents = false
    /// A reply that is not streamed has been read.
    private(set) var hasReadBody = false
    private(set) var receivedBytes = 0
    private var hasStopped = false
    private var bodyDisposition = BodyDisposition.passThrough
    /// A body of several objects, as the agent gets it.
    private var editedObjects: ByteBuffer?

    init(reply: any ReplyTransform, maximumEventSize: Int) {
        self.reply = reply
        self.maximumEventSize = maximumEventSize
    }

    /// The JSON text of an error that the last event carried.
    var error: [UInt8]? { reply.error }
    var hasOutput: Bool { reply.hasOutput }
    /// The agent may get other bytes than the engine sends.
    var mayChangeReply: Bool { reply.mayChangeReply }
    var recognized: EngineProfile? { reply.recognized }
    var unclaimedBytes: Int { unclaimed.readableBytes }
    /// A single event is larger than allowed.
    var isOverLimit: Bool { unclaimedBytes > maximumEventSize }

    /// Every choice has a finish reason.
    var hasFinishedChoices: Bool {
        let choices = reply.captured().choices
        return !choices.isEmpty && choices.allSatisfy { $0.finishReason != nil }
    }

    mutating func use(_ profile: EngineProfile) { reply.use(profile) }

    func captured() -> Capture { reply.captured() }

    /// What ends the stream after the last event.
    func ending(for expected: ExpectedReply, usage: EndingUsage) -> StreamEnding {
        // What is not read cannot be ended, and what are no events have no end.
        hasStopped || documents != nil ? .none : reply.ending(for: expected, usage: usage)
    }

    // MARK: Streams

    mutating func receive(_ bytes: ByteBuffer) {
        receivedBytes += bytes.readableBytes
        if unclaimed.readableBytes == 0 { unclaimed = bytes } else { unclaimed.writeImmutableBuffer(bytes) }
    }

    /// The next complete unit.
    mutating func next() -> Unit? {
        if documents != nil { return nextDocument() }
        let front = unclaimed
        let text = front.readableBytesUInt8Span
        // A document without a field's name, behind comments for instance.
        if !text.isEmpty, text[0] == UInt8(ascii: "{") { return nextDocumentOnly() }
        guard let unit = splitter.nextUnit(in: text) else { return nil }
        if unit.kind == .event, EventLines.holdSeveralDocuments(text.extracting(..<unit.length), lines: unit.lines) {
            return nextDocumentOnly()
        }
        guard let bytes = unclaimed.readSlice(length: unit.length) else { return nil }
        // Without a second reference, the receive buffer can be used again.
        if unclaimed.readableBytes == 0 { unclaimed = ByteBuffer() }
        switch unit.kind {
        case .filler:
            keptLastUnit = true
            return Unit(bytes: bytes, isEvent: false, disposition: .passThrough, edits: JSONEdits())
        case .lineFeed:
            return Unit(
                bytes: bytes, isEvent: false, disposition: keptLastUnit ? .passThrough : .drop, edits: JSONEdits())
        case .event:
            return read(bytes)
        }
    }

    /// From now on the stream is taken for JSON objects, with anything between them.
    mutating func expectDocuments() { documents = DocumentSplitter() }

    /// Whether an event that has no end yet holds several documents: some servers leave out the blank lines, and many
    /// clients do not need them.
    var lacksBlankLines: Bool {
        documents == nil && EventLines.holdSeveralDocuments(unclaimed.readableBytesUInt8Span, lines: splitter.lines)
    }

    private mutating func nextDocumentOnly() -> Unit? {
        expectDocuments()
        return nextDocument()
    }

    /// What was taken for JSON objects held none.
    var isEmptyOfDocuments: Bool { documents != nil && !hasSeenEvents }

    private mutating func nextDocument() -> Unit? {
        let front = unclaimed
        guard let unit = documents?.nextUnit(in: front.readableBytesUInt8Span),
            let bytes = unclaimed.readSlice(length: unit.length)
        else { return nil }
        if unclaimed.readableBytes == 0 { unclaimed = ByteBuffer() }
        if unit.kind != .filler { return read(document: bytes) }
        // The end of the line of a document that was dropped.
        let isDropped = !keptLastUnit && bytes.readableBytesView.allSatisfy { $0 == 0x0A || $0 == 0x0D }
        keptLastUnit = true
        return Unit(bytes: bytes, isEvent: false, disposition: isDropped ? .drop : .passThrough, edits: JSONEdits())
    }

    /// Reads a document as the data of an event.
    private mutating func read(document: ByteBuffer) -> Unit {
        hasSeenEvents = true
        let start: StaticString = "data: "
        var event = ByteBuffer()
        event.writeStaticString(start)
        // White space between values may break lines, which would end the field.
        event.writeBytes(document.readableBytesView.map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 })
        event.writeStaticString("\n\n")
        if hasStopped {
            let isLast = reply.isTerminal(event: event.readableBytesUInt8Span)
            return Unit(
                bytes: document, isEvent: true, disposition: isLast ? .terminal : .passThrough, edits: JSONEdits())
        }
        let disposition = reply.read(event: event.readableBytesUInt8Span)
        if reply.error != nil { hasSeenError = true }
        var edits = reply.edits
        let length = start.utf8CodeUnitCount
        edits.relocate { $0.lowerBound - length..<$0.upperBound - length }
        keptLastUnit = disposition.keepsEvent
        return Unit(bytes: document, isEvent: true, disposition: disposition, edits: edits)
    }

    /// Captures and restores no more. Events are still split.
    mutating func stopReading() { hasStopped = true }

    /// What is left at the end of the stream: an event without its blank line.
    mutating func last() -> Unit? {
        let rest = takeUnclaimed()
        if rest.readableBytes == 0 { return nil }
        guard documents != nil else { return read(rest) }
        if rest.readableBytesView.first == UInt8(ascii: "{") { return read(document: rest) }
        return Unit(bytes: rest, isEvent: false, disposition: .passThrough, edits: JSONEdits())
    }

    mutating func takeUnclaimed() -> ByteBuffer {
        defer { unclaimed = ByteBuffer() }
        return unclaimed
    }

    private mutating func read(_ event: ByteBuffer) -> Unit {
        hasSeenEvents = true
        if hasStopped {
            let isLast = reply.isTerminal(event: event.readableBytesUInt8Span)
            return Unit(
                bytes: event, isEvent: true, disposition: isLast ? .terminal : .passThrough, edits: JSONEdits())
        }
        let disposition = reply.read(event: event.readableBytesUInt8Span)
        if reply.error != nil { hasSeenError = true }
        keptLastUnit = disposition.keepsEvent
        return Unit(bytes: event, isEvent: true, disposition: disposition, edits: reply.edits)
    }

    // MARK: Whole replies

    /// Reads a reply that is not streamed.
    mutating func read(body: ByteBuffer) {
        bodyDisposition = reply.read(body: body.readableBytesUInt8Span)
        if bodyDisposition == .objects { readObjects(of: body) }
        hasReadBody = true
        if reply.error != nil { hasSeenError = true }
    }

    /// Reads the objects in a body as events.
    private mutating func readObjects(of body: ByteBuffer) {
        expectDocuments()
        unclaimed = body
        var edited = ByteBuffer()
        while let unit = nextDocument() {
            if unit.disposition != .drop { edited.writeImmutableBuffer(unit.edited) }
        }
        edited.writeImmutableBuffer(takeUnclaimed())
        editedObjects = edited
    }

    /// The body that the agent gets; nil if it is the engine's.
    mutating func editedBody(of body: ByteBuffer) -> ByteBuffer? {
        if let editedObjects { return editedObjects }
        if case .replace(let other) = bodyDisposition { return ByteBuffer(bytes: other) }
        var edits = reply.edits
        if edits.isEmpty { return nil }
        let text = body.readableBytesUInt8Span
        var edited = ByteBuffer()
        edited.reserveCapacity(edits.editedLength(of: text.count))
        edited.write(text, with: &edits)
        return edited
    }
}

extension ByteBuffer {
    /// Appends `text` with `edits` applied.
    mutating func write(_ text: Span<UInt8>, with edits: inout JSONEdits) {
        edits.forEachPiece(of: text.count) { range in
            writeBytes(text.extracting(range).bytes)
        } replacement: { replacement in
            switch replacement {
            case .nothing: break
            case .null: writeStaticString("null")
            case .bytes(let bytes): writeBytes(bytes)
            }
        }
    }
}
