import NIOCore
import NIOHTTP1
import VerbatimTrace
import VerbatimAPI

/// The record that a turn ends with.
extension CapturedTurn {
    mutating func conclude(outcome: Outcome, then ending: Ending, closesEngine: Bool = false) -> Action {
        let capture = reader.captured()
        // A fingerprint counts also against what was recognised before: the engine may have been exchanged.
        if let recognised = capture.engine ?? reader.recognised { knowledge.recognise(recognised, by: .reply) }
        if !hasSettled && lesson != nil { knowledge.forgetPresumption(for: capabilityKey) }
        endTrial()
        var draft = RecordDraft(outcome: outcome, engineStatus: headStatus)
        draft.passedProblem = passedProblem
        switch ending {
        case .reply(let head, let body, _):
            draft.status = head.status
            draft.replyBody = body
            draft.isReplyRead = reader.hasReadBody && !reader.hasSeenError
        case .error(let error):
            draft.status = Int(error.status.code)
            draft.proxyError = error.object
        case .terminalEvent, .end, .abort, .gone:
            draft.status = output.isHeadWritten ? headStatus : nil
        }
        switch phase {
        case .waiting, .judging, .collecting: draft.hasStream = false
        case .passing: draft.hasStream = reader.hasSeenEvents
        default: draft.hasStream = true
        }
        draft.isHeadSent = output.isHeadWritten
        draft.latency = Self.seconds(from: forwardedAt, to: lastByteAt)
        draft.timeToFirstToken = firstOutputAt.map { Self.seconds(from: forwardedAt, to: $0) }
        draft.engine =
            reader.recognised.map { knowledge.isFixed ? knowledge.profile.name : $0.name } ?? knowledge.profile.name
        draft.engineSource = knowledge.evidence?.rawValue
        draft.refusals = refusals
        draft.injectionLimitProblems = learnsNothing ? [Problem.repeatedAfterError] : injectionLimits.problems
        if let version = capture.engineVersion { knowledge.note(version: version, ofModel: prepared.model) }
        record = draft.record(facts: facts, prepared: prepared, capture: capture)
        if facts.policy.requirement != nil && outcome == .completed {
            let isViolation = record?.problems.contains(Problem.belowRequirement) ?? false
            knowledge.note(isSatisfied: !isViolation, for: capabilityKey, at: lastByteAt)
        }
        phase = .recording(ending)
        return .record(closesEngine: closesEngine)
    }

    static func seconds(from start: NIODeadline, to end: NIODeadline) -> Double {
        Double((end - start).nanoseconds) / 1e9
    }
}
