import NIOHTTP1
import Testing

@testable import VerbatimProxy

/// The life of a turn as a state machine: in each phase, each thing that can happen.
@Suite struct CapturedTurnTests {
    /// The phases, and how a turn comes into each.
    enum Phase: CaseIterable {
        case waiting, judging, streaming, collecting, passing
        case recordingReply, recordingDone, recordingEnd, recordingError, recordingAbort, recordingGone
        case trailing, over

        func reach() throws -> CapturedTurnDriver {
            let isUnary = [.collecting, .passing, .recordingReply].contains(self)
            var driver = try CapturedTurnDriver(stream: !isUnary, verdictKnown: self != .judging)
            func events(_ events: CapturedTurnDriver.Event...) { for event in events { _ = driver.on(event) } }
            let length = String(CapturedTurnDriver.unaryBody.utf8.count)
            switch self {
            case .waiting: break
            case .judging: events(.head)
            case .streaming: events(.head, .body)
            case .collecting: _ = driver.head(200, ["Content-Length": length])
            case .passing: _ = driver.head(200, ["Content-Length": length, "Content-Encoding": "gzip"])
            case .recordingReply:
                _ = driver.head(200, ["Content-Length": length])
                _ = driver.body(CapturedTurnDriver.unaryBody)
                events(.end)
            case .recordingDone, .trailing, .over:
                events(.head, .body)
                _ = driver.body(CapturedTurnDriver.done)
                if self != .recordingDone { events(.kept) }
                if self == .over { events(.end) }
            case .recordingEnd: events(.head, .body, .end)
            case .recordingError: events(.unreachable)
            case .recordingAbort: events(.head, .body, .disconnect)
            case .recordingGone: events(.head, .agentGone)
            }
            return driver
        }
    }

    /// What each event leads to; a turn is asked nothing else, and does nothing else.
    static let table: [(Phase, [CapturedTurnDriver.Event: String])] = [
        (
            .waiting,
            [
                .unreachable: "record", .connectTimeout: "record", .disconnect: "record",
                .timeout: "record, close engine", .shutdown: "record, close engine", .agentGone: "record, close engine",
            ]
        ),
        (
            .judging,
            [
                .end: "record", .unreachable: "record", .connectTimeout: "record", .disconnect: "record",
                .timeout: "record, close engine", .shutdown: "record, close engine", .agentGone: "record, close engine",
            ]
        ),
        (
            .streaming,
            [
                .end: "record", .unreachable: "record", .connectTimeout: "record", .disconnect: "record",
                .timeout: "record, close engine", .shutdown: "record, close engine", .agentGone: "record, close engine",
            ]
        ),
        (
            .collecting,
            [
                .end: "record", .unreachable: "record", .connectTimeout: "record", .disconnect: "record",
                .timeout: "record, close engine", .shutdown: "record, close engine", .agentGone: "record, close engine",
            ]
        ),
        (
            .passing,
            [
                .end: "record", .unreachable: "record", .connectTimeout: "record", .disconnect: "record",
                .timeout: "record, close engine", .shutdown: "record, close engine", .agentGone: "record, close engine",
            ]
        ),
        (.recordingReply, [.kept: "finish", .notKept: "finish", .timeout: "abort"]),
        (.recordingDone, [.notKept: "abort", .agentGone: "abort", .timeout: "abort"]),
        (.recordingEnd, [.kept: "finish", .notKept: "abort", .timeout: "abort"]),
        (.recordingError, [.kept: "finish", .notKept: "finish", .timeout: "abort"]),
        (.recordingAbort, [.kept: "abort", .notKept: "abort", .timeout: "abort"]),
        (.recordingGone, [.kept: "abort", .notKept: "abort", .timeout: "abort"]),
        (
            .trailing,
            [
                .end: "finish", .unreachable: "abort", .connectTimeout: "abort", .disconnect: "abort",
                .timeout: "abort", .shutdown: "abort", .agentGone: "abort",
            ]
        ),
        (.over, [:]),
    ]

    @Test(arguments: table) func eachEventInEachPhase(
        phase: Phase, actions: [CapturedTurnDriver.Event: String]
    ) throws {
        for event in CapturedTurnDriver.Event.allCases {
            var driver = try phase.reach()
            _ = driver.takeSent()
            #expect(driver.on(event) == actions[event] ?? "", "\(phase): \(event)")
        }
    }

    /// Whatever happens after whatever else, there is one record, the agent gets one head, and a turn that is over
    /// stays so.
    @Test(arguments: Phase.allCases) func thereIsOneRecordWhateverFollows(phase: Phase) throws {
        for first in CapturedTurnDriver.Event.allCases {
            for second in CapturedTurnDriver.Event.allCases {
                for third in [CapturedTurnDriver.Event.kept, .body, .head, .end] {
                    var driver = try phase.reach()
                    let actions = [driver.on(first), driver.on(second), driver.on(third)]
                    let ends = actions.filter { $0 == "finish" || $0 == "abort" }
                    #expect(driver.recordCount <= 1, "\(phase): \(first), \(second), \(third)")
                    #expect(ends.count <= 1, "\(phase): \(first), \(second), \(third)")
                    let heads = driver.sent.ranges(of: "HTTP/1.1 ").count
                    #expect(heads <= 1, "\(phase): \(first), \(second), \(third)")
                    if let end = actions.firstIndex(where: { $0 == "finish" || $0 == "abort" }) {
                        #expect(actions[(end + 1)...].joined() == "", "\(phase): \(first), \(second), \(third)")
                        #expect(driver.recordCount == 1 || phase == .over, "\(phase): \(first), \(second), \(third)")
                    }
                }
            }
        }
    }

    // MARK: What the agent gets

    struct Failure: Sendable {
        let phase: Phase
        let event: CapturedTurnDriver.Event
        /// The status line, if the agent has had none before; empty if it is cut off.
        let reply: String
        let outcome: String
        let status: String
    }

    static let failures: [Failure] = {
        var failures: [Failure] = []
        for phase in [Phase.waiting, .judging, .collecting] {
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

    @Test(arguments: failures) func failuresAreToldOfAndRecorded(failure: Failure) throws {
        var driver = try failure.phase.reach()
        _ = driver.takeSent()
        _ = driver.on(failure.event)
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
        #expect(action == (failure.reply.isEmpty ? "abort" : "finish"))
        if failure.reply.isEmpty {
            #expect(sent == "")
        } else {
            #expect(sent.hasPrefix("HTTP/1.1 \(failure.reply)\r\nContent-Type: application/json\r\n"))
            #expect(sent.contains(#"{"error":{"message":""#) && sent.hasSuffix("}}"))
        }
    }

    /// A record that cannot be kept: 503 while there is no head, else the connection is cut.
    @Test(arguments: Phase.allCases.filter { "\($0)".hasPrefix("recording") })
    func withoutARecordThereIsNoReply(phase: Phase) throws {
        var driver = try phase.reach()
        _ = driver.takeSent()
        let hasHead = driver.turn.output.isHeadWritten
        let action = driver.on(.notKept)
        let sent = driver.takeSent()
        if hasHead {
            #expect(action == "abort" && sent == "")
        } else {
            #expect(action == "finish" && sent.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
            #expect(sent.contains("no space left") && !sent.contains("é"))
        }
    }
}
