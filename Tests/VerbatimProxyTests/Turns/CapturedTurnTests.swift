import NIOHTTP1
import Testing
import VerbatimAPI

@testable import VerbatimProxy
import VerbatimHTTP

/// The life of a turn as a state machine: every event in every phase.
@Suite("CapturedTurn: events and decisions") struct CapturedTurnTests {
    typealias Event = CapturedTurnDriver.Event
    typealias Action = CapturedTurn.Action

    enum Phase: CaseIterable {
        case waiting, holding, streaming, collecting, passing
        case recordingReply, recordingDone, recordingEnd, recordingError, recordingAbort, recordingGone
        case trailing, over

        /// A turn in this phase.
        ///
        /// - Parameter isProbe: Whether the turn is the probe of an injection that the engine is not known to accept.
        func reach(isProbe: Bool = false) throws -> CapturedTurnDriver {
            let isUnary = [.collecting, .passing, .recordingReply].contains(self)
            let driver = try CapturedTurnDriver(
                stream: !isUnary, isProven: self != .holding && !isProbe, isProbe: isProbe)
            func feed(_ events: Event...) { for event in events { _ = driver.on(event) } }
            let length = String(CapturedTurnDriver.unaryBody.utf8.count)
            switch self {
            case .waiting: break
            case .holding: feed(.head)
            case .streaming: feed(.head, .body)
            case .collecting: _ = driver.head(200, ["Content-Length": length])
            case .passing: _ = driver.head(200, ["Content-Length": length, "Content-Encoding": "gzip"])
            case .recordingReply:
                _ = driver.head(200, ["Content-Length": length])
                _ = driver.body(CapturedTurnDriver.unaryBody)
                feed(.end)
            case .recordingDone, .trailing, .over:
                feed(.head, .body)
                _ = driver.body(CapturedTurnDriver.done)
                if self != .recordingDone { feed(.kept) }
                if self == .over { feed(.end) }
            case .recordingEnd: feed(.head, .body, .end)
            case .recordingError: feed(.unreachable)
            case .recordingAbort: feed(.head, .body, .disconnect)
            case .recordingGone: feed(.head, .agentGone)
            }
            return driver
        }
    }

    private static let record = Action.record(closesEngine: false)
    private static let recordAndCloseEngine = Action.record(closesEngine: true)

    private static let whileTheEngineIsAwaited: [Event: Action] = [
        .unreachable: record, .connectTimeout: record, .disconnect: record, .timeout: recordAndCloseEngine,
        .shutdown: recordAndCloseEngine, .agentGone: recordAndCloseEngine,
    ]

    private static let whileTheReplyComes = whileTheEngineIsAwaited.merging([.end: record]) { $1 }

    /// What each event leads to. Every other event leads to nothing.
    static let actions: [(Phase, [Event: Action])] = [
        (.waiting, whileTheEngineIsAwaited),
        (.holding, whileTheReplyComes.merging([.end: .retry, .disconnect: .retry]) { $1 }),
        (.streaming, whileTheReplyComes),
        (.collecting, whileTheReplyComes),
        (.passing, whileTheReplyComes),
        (.recordingReply, [.kept: .finish, .notKept: .finish, .timeout: .abort]),
        (.recordingDone, [.notKept: .abort, .agentGone: .abort, .timeout: .abort]),
        (.recordingEnd, [.kept: .finish, .notKept: .abort, .timeout: .abort]),
        (.recordingError, [.kept: .finish, .notKept: .finish, .timeout: .abort]),
        (.recordingAbort, [.kept: .cutOff, .notKept: .abort, .timeout: .abort]),
        (.recordingGone, [.kept: .abort, .notKept: .abort, .timeout: .abort]),
        (
            .trailing,
            [
                .end: .finish, .unreachable: .cutOff, .connectTimeout: .cutOff, .disconnect: .cutOff,
                .timeout: .abort, .shutdown: .cutOff, .agentGone: .abort,
            ]
        ),
        (.over, [:]),
    ]

    private static let accepted = CapabilityFinding.accepted(
        {
            var injection = Injection()
            injection.topLogprobs = 5
            injection.ids = [.flag("return_token_ids")]
            return injection
        }(), limits: InjectionLimits())

    @Test("Each event in each phase leads to one action", arguments: actions)
    func eventsLeadToActions(phase: Phase, actions: [Event: Action]) throws {
        for event in Event.allCases {
            let driver = try phase.reach()
            _ = driver.takeSent()
            _ = driver.takeFindings()
            #expect(driver.on(event) == actions[event] ?? .nothing, "\(phase): \(event)")
            // Only a held stream leaves open whether the engine accepts the injection.
            let findings = phase == .holding && event == .body ? [Self.accepted] : []
            #expect(driver.findings == findings, "\(phase): \(event)")
        }
    }

    /// What a probe finds out with each event that ends it, and in the phases that it reaches afterwards nothing.
    static let probeFindings: [(Phase, [Event: [CapabilityFinding]])] = Phase.allCases.map { phase in
        let failures: [Event] = [.unreachable, .connectTimeout, .disconnect, .timeout, .shutdown, .agentGone]
        var findings = Dictionary(uniqueKeysWithValues: failures.map { ($0, [CapabilityFinding.probeEnded]) })
        let presumed = CapabilityFinding.presumed(leaving: .nothing, isLate: true)
        switch phase {
        // The repeat is a part of the probe.
        case .waiting: findings[.disconnect] = []
        case .collecting:
            // The event shows that the reply is a stream.
            findings[.body] = [.probeEnded, accepted]
            findings[.disconnect] = []
        case .holding:
            findings[.body] = [.probeEnded, accepted]
            findings[.disconnect] = []
        case .streaming: findings = [.disconnect: [presumed]]
        case .passing:
            findings[.end] = [.probeEnded]
        default: findings = [:]
        }
        if phase == .streaming {
            for event in [Event.unreachable, .connectTimeout] { findings[event] = [presumed] }
        }
        return (phase, findings)
    }

    @Test("A probe reports what it finds out, and its end exactly once", arguments: probeFindings)
    func probesReportTheirEnd(phase: Phase, findings: [Event: [CapabilityFinding]]) throws {
        var actions = Self.actions.first { $0.0 == phase }?.1 ?? [:]
        if [.waiting, .collecting].contains(phase) { actions[.disconnect] = .retry }
        // An empty reply is treated as a failure.
        if phase == .collecting { actions[.end] = .retry }
        for event in Event.allCases {
            let driver = try phase.reach(isProbe: true)
            let before = driver.takeFindings()
            #expect(driver.on(event) == actions[event] ?? .nothing, "\(phase): \(event)")
            #expect(driver.findings == findings[event] ?? [], "\(phase): \(event)")
            let hasEnded = ![.waiting, .holding, .collecting, .passing].contains(phase)
            #expect(before.contains(.probeEnded) == hasEnded, "\(phase)")
        }
    }

    @Test(
        "Whatever events follow each other, a turn gives one record and one head, and stays over",
        arguments: Phase.allCases, [false, true])
    func oneRecordWhateverFollows(phase: Phase, isProbe: Bool) throws {
        for first in Event.allCases {
            for second in Event.allCases {
                for third in [Event.kept, .end] {
                    let driver = try phase.reach(isProbe: isProbe)
                    let actions = [driver.on(first), driver.on(second), driver.on(third)]
                    let ends = actions.filter { [.finish, .cutOff, .abort].contains($0) }
                    let events: Comment = "\(phase): \(first), \(second), \(third)"
                    #expect(driver.recordCount <= 1, events)
                    #expect(ends.count <= 1, events)
                    let heads = driver.sent.ranges(of: "HTTP/1.1 ").count
                    #expect(heads <= 1, events)
                    let probeEnds = driver.findings.count { $0 == .probeEnded }
                    #expect(probeEnds <= (isProbe ? 1 : 0), events)
                    #expect(probeEnds == 1 || driver.recordCount == 0 || !isProbe, events)
                    if let end = actions.firstIndex(where: { [.finish, .cutOff, .abort].contains($0) }) {
                        #expect(actions[(end + 1)...].allSatisfy { $0 == .nothing }, events)
                        #expect(driver.recordCount == 1 || phase == .over, events)
                    }
                }
            }
        }
    }

    // MARK: What the agent gets

    struct Failure: Sendable {
        let phase: Phase
        let event: Event
        /// The status of the reply to the agent; empty if the agent has had a head and is cut off.
        let reply: String
        let outcome: String
        let status: String
    }

    static let failures: [Failure] = {
        var failures: [Failure] = []
        for phase in [Phase.waiting, .holding, .collecting] {
            failures += [
                Failure(
                    phase: phase, event: .unreachable, reply: "502 Bad Gateway", outcome: "upstream_error",
                    status: "502"),
                Failure(
                    phase: phase, event: .connectTimeout, reply: "504 Gateway Timeout", outcome: "timeout",
                    status: "504"),
                Failure(
                    phase: phase, event: .disconnect, reply: "502 Bad Gateway", outcome: "upstream_disconnected",
                    status: "502"),
                Failure(phase: phase, event: .timeout, reply: "504 Gateway Timeout", outcome: "timeout", status: "504"),
                Failure(
                    phase: phase, event: .shutdown, reply: "503 Service Unavailable", outcome: "shutdown", status: "503"
                ),
                Failure(phase: phase, event: .agentGone, reply: "", outcome: "client_disconnected", status: "null"),
            ]
        }
        for phase in [Phase.streaming, .passing] {
            failures += [
                Failure(phase: phase, event: .disconnect, reply: "", outcome: "upstream_disconnected", status: "200"),
                Failure(phase: phase, event: .timeout, reply: "", outcome: "timeout", status: "200"),
                Failure(phase: phase, event: .shutdown, reply: "", outcome: "shutdown", status: "200"),
                Failure(phase: phase, event: .agentGone, reply: "", outcome: "client_disconnected", status: "200"),
            ]
        }
        return failures
    }()

    @Test("A failure is reported to the agent and recorded", arguments: failures) func failuresAreRecorded(
        failure: Failure
    ) throws {
        let driver = try failure.phase.reach()
        _ = driver.takeSent()
        if driver.on(failure.event) == .retry { _ = driver.on(failure.event) }
        #expect(driver.takeSent() == "")
        let record = try #require(driver.record)
        #expect(record["outcome"] == "\"\(failure.outcome)\"" && record["status"] == failure.status)
        #expect(record["capture", "complete"] == "false")
        if failure.phase == .streaming {
            #expect(record["completion_token_ids"] == "[1]")
            #expect(record["capture", "problems"]?.contains("reply_cut_off") ?? false)
        }
        let action = driver.on(.kept)
        let sent = driver.takeSent()
        let cut = failure.event == .disconnect ? Action.cutOff : .abort
        #expect(action == (failure.reply.isEmpty ? cut : .finish))
        if failure.reply.isEmpty {
            #expect(sent == "")
        } else {
            #expect(sent.hasPrefix("HTTP/1.1 \(failure.reply)\r\nContent-Type: application/json\r\n"))
            #expect(sent.contains(#"{"error":{"message":""#) && sent.hasSuffix("}}"))
        }
    }

    @Test(
        "If the record cannot be kept, the agent gets a 503, or is cut off if it has had a head",
        arguments: Phase.allCases.filter { "\($0)".hasPrefix("recording") })
    func noReplyWithoutARecord(phase: Phase) throws {
        let driver = try phase.reach()
        _ = driver.takeSent()
        let hasHead = driver.isHeadWritten
        let action = driver.on(.notKept)
        let sent = driver.takeSent()
        if hasHead {
            #expect(action == .abort && sent == "")
        } else {
            #expect(action == .finish && sent.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
            #expect(sent.contains("no space left") && !sent.contains("é"))
        }
    }
}
