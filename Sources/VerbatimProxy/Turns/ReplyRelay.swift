import NIOCore
import VerbatimAPI
import VerbatimJSON
import VerbatimTrace
import VerbatimHTTP
import VerbatimSchema

/// The engine's reply to one attempt on its way to the agent: read, restored, and held back as long as it must be.
///
/// Each call writes what the agent receives to its output. If the turn has to decide something first, the call
/// returns a ``Step`` that says so, and ``proceed(to:)`` continues from there.
struct ReplyRelay: ~Copyable {
    private enum Mode {
        /// No head has come.
        case waiting
        /// A stream's head is held until its first event shows whether the engine accepts the request.
        case holding(ReplyHead)
        case streaming
        /// The whole reply is collected.
        case collecting(ReplyHead)
        /// The whole reply is there, and held until its record is kept.
        case collected(ReplyHead, isEdited: Bool)
        /// The reply passes unread. `holdsLastByte`: only its last byte shows the end, so it waits for the record.
        case passing(holdsLastByte: Bool)
    }

    /// The cap keeps a forged `Content-Length` from reserving memory.
    private static let maximumReservedSize = 64 << 20

    private var mode = Mode.waiting
    private var reader: StreamReader
    private let maximumReplySize: Int
    private let maximumEventSize: Int
    /// The body of a reply that is not streamed.
    private var collected = ByteBuffer()
    /// Bytes that wait for a stream's first event, for a whole reply, or for the record.
    private var held = ByteBuffer()
    /// Nil once the reply's form is known.
    private var sensor: ReplyFormSensor?
    /// Counts the documents of a reply that may turn out to hold several.
    private var counter: DocumentSplitter?
    private let isStreamAsked: Bool
    private var head: ReplyHead?
    private var isHeadSent = false
    /// The engine is not known to accept what was injected, so that the agent gets nothing before it shows.
    private var isUndecided = false
    /// An event that waits for a decision.
    private var pending: StreamReader.Unit?
    private(set) var hasEngineEnded = false
    private var isUntilClose = false

    /// The engine's status; nil before its head.
    private(set) var status: Int?
    /// Why the reply, or the rest of it, goes through unread.
    private(set) var problem: ProblemCode?
    /// Output of the model has gone to the agent.
    private(set) var hasPassedOutput = false

    /// - Parameters:
    ///   - reply: What reads the reply, and decides what the agent gets of it.
    ///   - isStreamAsked: Whether the agent asked for a stream.
    init(reply: any ReplyTransform, isStreamAsked: Bool, facts: TurnFacts) {
        self.isStreamAsked = isStreamAsked
        reader = StreamReader(reply: reply, maximumEventSize: facts.maximumEventSize)
        maximumReplySize = facts.maximumReplySize
        maximumEventSize = facts.maximumEventSize
    }

    // MARK: What has come

    /// A stream's head is held until its first event.
    var isHolding: Bool {
        if case .holding = mode { true } else { false }
    }

    /// The head is held, and may go to the agent once the engine would have rejected the request.
    var holdsHead: Bool {
        switch mode {
        case .holding: true
        case .collecting(let head): head.isSuccess && !isHeadSent
        case .waiting, .streaming, .collected, .passing: false
        }
    }

    /// A stream has begun, and nothing more can keep it from the agent.
    var isStreaming: Bool {
        if case .streaming = mode { true } else { false }
    }

    /// Bytes that have come and are not part of an event yet.
    var unreadBytes: Int { reader.unclaimedBytes }
    var hasError: Bool { reader.hasSeenError }
    /// The reply has brought output of the model.
    var hasOutput: Bool { reader.hasOutput }
    /// The engine, once the reply identifies it.
    var recognized: EngineProfile? { reader.recognized }

    /// The stream's events are what the record holds.
    var hasStream: Bool {
        switch mode {
        case .waiting, .holding, .collecting, .collected: false
        case .streaming: true
        case .passing: reader.hasSeenEvents
        }
    }

    /// A whole reply as the agent gets it.
    var wholeBody: ByteBuffer? {
        if case .collected = mode { collected } else { nil }
    }

    /// The parser has read a whole reply, and it is not an error.
    var isWholeBodyRead: Bool { reader.hasReadBody && !reader.hasSeenError }

    func captured() -> Capture { reader.captured() }

    /// Sets the profile in force, which may become known only with the reply's head.
    mutating func use(_ profile: EngineProfile) { reader.use(profile) }

    // MARK: Receiving

    /// The engine has sent its head.
    ///
    /// - Parameter holdsStream: Whether a stream is held until its first event.
    mutating func receive(_ head: ReplyHead, holdsStream: Bool, to output: inout ResponseWriter) {
        status = head.status
        isUntilClose = head.isUntilClose
        self.head = head
        isUndecided = holdsStream
        if head.isCompressed {
            problem = ProblemCode.replyCompressed
            if head.isSuccess { return pass(head, holdsLastByte: !head.isEventStream, to: &output) }
        }
        if head.isSuccess {
            sensor = ReplyFormSensor(isEventStream: head.isEventStream, isStream: isStreamAsked)
        }
        if head.isEventStream && head.isSuccess {
            mode = .holding(head)
            if !holdsStream { startStream(to: &output) }
        } else if head.contentLength > maximumReplySize {
            problem = ProblemCode.replyTooLarge
            pass(head, holdsLastByte: true, to: &output)
        } else {
            // Reserve once instead of reallocating.
            collected.reserveCapacity(min(max(0, head.contentLength), Self.maximumReservedSize))
            mode = .collecting(head)
        }
    }

    mutating func receive(_ body: ByteBuffer, to output: inout ResponseWriter) -> Step {
        switch mode {
        case .holding, .streaming:
            if sensor != nil { return sense(body, to: &output) }
            reader.receive(body)
            return readEvents(to: &output)
        case .collecting(let head):
            if sensor != nil { return sense(body, to: &output) }
            return collect(body, head, to: &output)
        case .passing: passBody(body, to: &output)
        case .waiting, .collected: break
        }
        return .goOn
    }

    /// Stores the bytes after the terminal event, for ``release(to:)``.
    mutating func receiveAfterEnd(_ body: ByteBuffer) { reader.receive(body) }

    /// The engine has ended its reply.
    mutating func end(to output: inout ResponseWriter) -> Step {
        hasEngineEnded = true
        if let start = sensor?.end(), let form = start.form {
            begin(form, to: &output)
            if form == .document { collected = start.content } else { reader.receive(start.content) }
        }
        switch mode {
        case .holding, .streaming: return endStream(to: &output)
        case .collecting(let head):
            if head.isSuccess {
                reader.read(body: collected)
                let isReply = !reader.hasSeenError && (!isUndecided || !reader.captured().choices.isEmpty)
                return .judge(isReply ? nil : EngineError(reply: collected))
            }
            return .judge(
                EngineError(
                    status: head.status, body: Array(collected.readableBytesView),
                    asksToWait: head.asksToWait))
        case .passing:
            let isError = status.map { !(200..<300 ~= $0) } ?? false
            return .ended(isError || reader.hasSeenError ? .upstreamError : .completed, by: .end)
        case .waiting, .collected: return .goOn
        }
    }

    /// Goes on after a decision.
    mutating func proceed(to output: inout ResponseWriter) -> Step {
        if case .collecting(let head) = mode { return endCollecting(head) }
        startStream(to: &output)
        if let event = pending.take() {
            if let step = pass(event, to: &output) { return step }
        }
        return hasEngineEnded ? endStream(to: &output) : readEvents(to: &output)
    }

    /// Writes what was held back for the record.
    mutating func release(to output: inout ResponseWriter) {
        if case .collected(let head, let isEdited) = mode {
            if !isHeadSent {
                let length = held.readableBytes + collected.readableBytes
                head.write(to: &output, bodyLength: length, isEdited: isEdited)
            }
            writeHeld(to: &output)
            output.body(collected)
            return
        }
        output.body(held)
        output.body(reader.takeUnclaimed())
    }

    /// The rest of a reply whose head has been sent, for an agent whose turn is stopped; nil if it must be cut off.
    func rest(after stop: TurnStop, usage: EndingUsage) -> [[UInt8]]? {
        switch mode {
        case .streaming:
            switch reader.ending(for: stop.expected, usage: usage) {
            case .events(let events): return events
            case .notBegun: return stop.message.isStream ? stop.message.parts : nil
            case .none: return nil
            }
        case .collecting: return isHeadSent && !stop.message.isStream ? stop.message.parts : nil
        case .waiting, .holding, .collected, .passing: return nil
        }
    }

    // MARK: The form

    /// Finds out the reply's form before anything is done with its content.
    private mutating func sense(_ body: ByteBuffer, to output: inout ResponseWriter) -> Step {
        guard let start = sensor?.receive(body) else { return .goOn }
        held.writeImmutableBuffer(start.blank)
        guard let form = start.form else {
            // An engine keeps the connection alive while it computes. The length of a body that may be edited is not
            // known yet, and most heads with a length are followed by the body at once.
            let passesBlank = !isUndecided && held.readableBytes > 0 && head?.isFramedByLength == false
            if passesBlank || held.readableBytes > maximumEventSize { releaseHead(to: &output) }
            if isHeadSent { writeHeld(to: &output) }
            return .goOn
        }
        begin(form, to: &output)
        return receive(start.content, to: &output)
    }

    private mutating func begin(_ form: ReplyForm, to output: inout ResponseWriter) {
        sensor = nil
        guard let head else { return }
        switch form {
        case .events, .documents:
            if case .collecting = mode { mode = isHeadSent ? .streaming : .holding(head) }
            if form == .documents { reader.expectDocuments() }
            if !isUndecided { startStream(to: &output) }
        case .document:
            mode = .collecting(head)
            if isStreamAsked || !head.isJSON { counter = DocumentSplitter() }
        }
    }

    /// Sends the head of a reply, and the white space before its content, as soon as nothing in them can need undoing:
    /// an agent that gets nothing for long may give up.
    mutating func releaseHead(to output: inout ResponseWriter) {
        if case .holding = mode { return startStream(to: &output) }
        guard holdsHead, let head else { return }
        isHeadSent = true
        head.writeStream(to: &output, isEdited: reader.mayChangeReply)
        writeHeld(to: &output)
    }

    // MARK: Streams

    /// Starts a stream whose head is held.
    private mutating func startStream(to output: inout ResponseWriter) {
        guard case .holding(let head) = mode else { return }
        mode = .streaming
        if !isHeadSent { head.writeStream(to: &output, isEdited: reader.mayChangeReply) }
        isHeadSent = true
        writeHeld(to: &output)
    }

    private mutating func readEvents(to output: inout ResponseWriter) -> Step {
        while let unit = reader.next() {
            guard unit.isEvent else {
                // Comments and blank lines that arrived together are sent together.
                if unit.disposition != .drop { held.writeImmutableBuffer(unit.bytes) }
                continue
            }
            if let step = take(unit, to: &output) { return step }
        }
        if reader.unclaimedBytes > 0, reader.lacksBlankLines {
            reader.expectDocuments()
            return readEvents(to: &output)
        }
        if isStreaming { writeHeld(to: &output) }
        if isHolding && held.readableBytes > maximumEventSize { startStream(to: &output) }
        if reader.isOverLimit {
            passUnread(to: &output)
        } else if reader.receivedBytes > maximumReplySize {
            problem = ProblemCode.replyTooLarge
            reader.stopReading()
        }
        return .goOn
    }

    /// Passes an event on, unless something has to be decided first.
    private mutating func take(_ event: consuming StreamReader.Unit, to output: inout ResponseWriter) -> Step? {
        let error = reader.error.map(EngineError.init(event:))
        if isHolding {
            let isEmpty = event.disposition.isTerminal && !reader.hasOutput
            pending = consume event
            return .judge(error ?? (isEmpty ? .emptyReply : nil))
        }
        writeHeld(to: &output)
        if !hasPassedOutput, let error {
            pending = consume event
            return .lateError(error)
        }
        return pass(event, to: &output)
    }

    private mutating func pass(_ event: borrowing StreamReader.Unit, to output: inout ResponseWriter) -> Step? {
        if !hasPassedOutput && reader.hasOutput { hasPassedOutput = true }
        if event.disposition.isTerminal {
            held = event.edited
            return .ended(reader.hasSeenError ? .upstreamError : .completed, by: .terminalEvent)
        }
        event.write(to: &output)
        return nil
    }

    /// The stream has ended without a terminal event.
    private mutating func endStream(to output: inout ResponseWriter) -> Step {
        if let last = reader.last() {
            if last.isEvent {
                if let step = take(last, to: &output) { return step }
            } else {
                held.writeImmutableBuffer(last.bytes)
            }
        }
        if isHolding { return .judge(.emptyReply) }
        startStream(to: &output)
        writeHeld(to: &output)
        if reader.isEmptyOfDocuments { problem = ProblemCode.replyNotJSON }
        // If a reply ends with its connection, a truncation looks like a regular end.
        if isUntilClose && !reader.hasFinishedChoices { return .ended(.upstreamDisconnected, by: .cutOff) }
        return .ended(reader.hasSeenError ? .upstreamError : .completed, by: .end)
    }

    private mutating func writeHeld(to output: inout ResponseWriter) {
        if held.readableBytes == 0 { return }
        output.body(held)
        held = ByteBuffer()
    }

    // MARK: Whole replies

    private mutating func collect(_ body: ByteBuffer, _ head: ReplyHead, to output: inout ResponseWriter) -> Step {
        collected.writeImmutableBuffer(body)
        if collected.readableBytes > maximumReplySize {
            let start = collected
            collected = ByteBuffer()
            problem = ProblemCode.replyTooLarge
            pass(head, holdsLastByte: true, to: &output)
            passBody(start, to: &output)
            return .goOn
        }
        guard counter != nil else { return .goOn }
        counter?.count(in: body.readableBytesUInt8Span)
        if let counter, counter.documents < 2 { return .goOn }
        // It is a stream of documents, which are passed on one by one.
        counter = nil
        begin(.documents, to: &output)
        reader.receive(collected)
        collected = ByteBuffer()
        return readEvents(to: &output)
    }

    private mutating func endCollecting(_ head: ReplyHead) -> Step {
        guard head.isSuccess else {
            mode = .collected(head, isEdited: false)
            return .ended(.upstreamError, by: .end)
        }
        let edited = reader.editedBody(of: collected)
        mode = .collected(head, isEdited: edited != nil)
        if let edited { collected = edited }
        return .ended(reader.hasSeenError ? .upstreamError : .completed, by: .end)
    }

    // MARK: Replies that go through unread

    private mutating func pass(_ head: ReplyHead, holdsLastByte: Bool, to output: inout ResponseWriter) {
        mode = .passing(holdsLastByte: holdsLastByte)
        sensor = nil
        if !isHeadSent { head.write(to: &output, bodyLength: 0, isEdited: false) }
        isHeadSent = true
    }

    /// Lets the rest of a stream go through as it is, once an event is too large to wait for its end.
    private mutating func passUnread(to output: inout ResponseWriter) {
        startStream(to: &output)
        problem = ProblemCode.replyTooLarge
        mode = .passing(holdsLastByte: true)
        passBody(reader.takeUnclaimed(), to: &output)
    }

    private mutating func passBody(_ body: ByteBuffer, to output: inout ResponseWriter) {
        guard case .passing(let holdsLastByte) = mode, body.readableBytes > 0 else { return }
        guard holdsLastByte else {
            output.body(body)
            return
        }
        var body = body
        writeHeld(to: &output)
        if let most = body.readSlice(length: body.readableBytes - 1) { output.body(most) }
        held = body
    }
}
