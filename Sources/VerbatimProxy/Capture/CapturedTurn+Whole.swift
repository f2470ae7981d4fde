import NIOCore
import NIOHTTP1
import VerbatimTrace
import VerbatimAPI

/// Replies that are collected, and replies that go through unread.
extension CapturedTurn {
    mutating func endCollecting(_ head: Head, at now: NIODeadline) -> Action {
        let body = collected
        if !(200..<300 ~= head.status) {
            switch remedy(afterStatus: head.status, body: Array(body.readableBytesView), at: now) {
            case .none: break
            case .retry:
                collected = ByteBuffer()
                return .retry
            case .refuse(let words): return refuse(engineSaid: words)
            }
            return conclude(outcome: .upstreamError, then: .reply(head, body, isEdited: false))
        }
        reader.read(body: body)
        settleVerdict(at: now)
        let outcome: Outcome = reader.hasSeenError ? .upstreamError : .completed
        guard let edited = reader.editedBody(of: body) else {
            return conclude(outcome: outcome, then: .reply(head, body, isEdited: false))
        }
        return conclude(outcome: outcome, then: .reply(head, edited, isEdited: true))
    }

    mutating func write(_ head: Head, bodyLength: Int, isEdited: Bool) {
        let framing: ResponseWriter.Framing
        let length: HeaderRules.LengthRule
        switch head.framing {
        case .contentLength:
            framing = .contentLength
            length = isEdited ? .replace(bodyLength) : .keep
        case .chunked, .untilClose:
            framing = .chunked
            length = .remove
        case .none:
            framing = .none
            length = .keep
        }
        output.head(
            status: head.status, reason: head.reason, headers: HeaderRules.forAgent(head.headers, length: length),
            framing: framing)
    }

    mutating func pass(_ head: Head, problem: String, holdsLastByte: Bool) {
        passedProblem = problem
        phase = .passing(holdsLastByte: holdsLastByte)
        write(head, bodyLength: 0, isEdited: false)
    }

    mutating func passBody(_ body: ByteBuffer) {
        guard case .passing(let holdsLastByte) = phase, body.readableBytes > 0 else { return }
        guard holdsLastByte else {
            output.body(body)
            return
        }
        var body = body
        output.body(held)
        held = ByteBuffer()
        if let most = body.readSlice(length: body.readableBytes - 1) { output.body(most) }
        held = body
    }
}
