import NIOCore
import VerbatimTrace
import VerbatimAPI

/// Replies that are streamed.
extension CapturedTurn {
    mutating func startStream(_ head: Head) {
        phase = .streaming
        request = nil
        // Dropped and edited events change the length, so that it cannot be kept even if the engine gave one.
        let isEdited = reader.mayChangeReply
        let framing: ResponseWriter.Framing
        if case .contentLength = head.framing, !isEdited { framing = .contentLength } else { framing = .chunked }
        output.head(
            status: head.status, reason: head.reason,
            headers: HeaderRules.forAgent(head.headers, length: isEdited ? .remove : .keep), framing: framing)
        releaseHeld()
    }

    /// Lets the stream begin although its first event has not come: a refusal comes at once, and an agent that hears
    /// nothing for long may give up.
    mutating func stopJudging() -> Action {
        if case .judging(let head) = phase { startStream(head) }
        return .nothing
    }

    mutating func readStream(at now: NIODeadline) -> Action {
        while let unit = reader.next() {
            guard unit.isEvent else {
                // Comments and blank lines that came together leave together.
                if unit.disposition != .drop { held.writeImmutableBuffer(unit.bytes) }
                continue
            }
            if let action = pass(unit, engineIsDone: false, at: now) { return action }
        }
        if case .streaming = phase { releaseHeld() }
        if case .judging(let head) = phase, held.readableBytes > facts.maximumEventSize { startStream(head) }
        if reader.isOverLimit {
            passUnread()
        } else if reader.receivedBytes > facts.maximumReplySize {
            passedProblem = Problem.replyTooLarge
            reader.stopReading()
        }
        return .nothing
    }

    /// Passes an event on; answers what is to be done if it is not the stream's next event that is waited for.
    private mutating func pass(_ event: StreamReader.Unit, engineIsDone: Bool, at now: NIODeadline) -> Action? {
        if case .judging(let head) = phase {
            if let error = reader.error {
                switch remedy(afterStatus: Self.status(of: error), body: error, at: now) {
                case .none: break
                case .retry: return .retry
                case .refuse(let words): return refuse(engineSaid: words)
                }
            }
            if reader.error == nil { settleVerdict(at: now) }
            startStream(head)
        } else {
            releaseHeld()
            if let error = reader.error, firstOutputAt == nil,
                nextAllowance(afterStatus: Self.status(of: error), body: error) != nil
            {
                // What used to be taken is refused now; find out anew with the next turn.
                knowledge.forgetVerdict(for: capabilityKey)
            }
        }
        if firstOutputAt == nil && reader.hasOutput { firstOutputAt = now }
        if event.disposition.isTerminal {
            held = event.edited
            return conclude(
                outcome: reader.hasSeenError ? .upstreamError : .completed,
                then: .terminalEvent(engineIsDone: engineIsDone, engineFailed: false))
        }
        event.write(to: &output)
        return nil
    }

    private mutating func releaseHeld() {
        if held.readableBytes == 0 { return }
        output.body(held)
        held = ByteBuffer()
    }

    /// Lets the rest of a stream go through as it is, once an event has grown too large to be waited for.
    private mutating func passUnread() {
        if case .judging(let head) = phase { startStream(head) }
        passedProblem = Problem.replyTooLarge
        phase = .passing(holdsLastByte: true)
        passBody(reader.takeUnclaimed())
    }

    /// The stream has ended without its terminal event.
    mutating func endStream(at now: NIODeadline) -> Action {
        if let event = reader.last() {
            if let action = pass(event, engineIsDone: true, at: now) { return action }
        } else if case .judging(let head) = phase {
            startStream(head)
        }
        // Where a reply ends with its connection, an end in the middle looks like any other.
        let isCutOff = engineIsUntilClose && !reader.hasFinishedChoices
        if isCutOff { return conclude(outcome: .upstreamDisconnected, then: .abort) }
        return conclude(outcome: reader.hasSeenError ? .upstreamError : .completed, then: .end)
    }
}
