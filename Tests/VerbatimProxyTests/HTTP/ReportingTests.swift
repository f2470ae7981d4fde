import Logging
import NIOCore
import NIOHTTP1
import Synchronization
import TestSupport
import Testing
import VerbatimAPI
import VerbatimHTTP
import VerbatimJSON
import VerbatimSchema
import VerbatimTesting
import VerbatimTrace

@testable import VerbatimProxy

@Suite("What is logged and what health reports", .onOwnThreads, .timeLimit(.minutes(10)))
struct ReportingTests {
    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        var all: [String] { lines.withLock { $0 } }
        func add(_ line: String) { lines.withLock { $0.append(line) } }

        func logger(_ level: Logger.Level = .info) -> Logger {
            var logger = Logger(label: "test") { _ in Handler(lines: self) }
            logger.logLevel = level
            return logger
        }
    }

    private struct Handler: LogHandler {
        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let values = event.metadata ?? [:]
            let said = ["session", "reason", "route", "times"].compactMap { name in values[name].map { "\(name)=\($0)" }
            }
            lines.add(([event.level.rawValue, "\(event.message)"] + said).joined(separator: " "))
        }
    }

    private func record(_ session: String, _ problems: [ProblemCode], complete: Bool = false) -> TurnRecord {
        TurnRecord(
            turn: 1, sessionID: session, dialect: "chat.completions", path: "/", isStream: false, outcome: .completed,
            status: 200, isHeadSent: true, request: EditedText(Array("{}".utf8)), response: JSONText(Array("{}".utf8)),
            level: .tokens, isComplete: complete, problems: problems, timestamp: 0, latency: 0)
    }

    @Test("An incomplete turn is a warning the first time that its session lacks what it lacks")
    func incompleteTurns() {
        for level in [Logger.Level.info, .warning, .error] {
            let lines = Lines()
            let log = TurnLog(logger: lines.logger(level), clock: .system)
            let (end, other) = (ProblemCode.endTokenMissing, ProblemCode.noTokenData)
            log.turn(record("a", [], complete: true), isKept: true)
            for _ in 0..<3 { log.turn(record("a", [end]), isKept: true) }
            log.turn(record("a", [other, end]), isKept: true)
            log.turn(record("a", [end, other]), isKept: true)
            log.turn(record("b", [end]), isKept: true)
            let expected = [
                "info turn session=a", "warning turn session=a", "info turn session=a", "info turn session=a",
                "warning turn session=a", "info turn session=a", "warning turn session=b",
            ]
            #expect(lines.all == expected.filter { level == .info || (level == .warning && $0.hasPrefix("warning")) })
        }
    }

    @Test("Refused turns are logged at intervals")
    func refusedTurns() {
        let lines = Lines()
        let log = TurnLog(logger: lines.logger(), clock: .system)
        for _ in 0..<1000 { log.refusedTurn(.traceUnavailable) }
        log.refusedTurn(.tooManySessions)
        #expect(
            lines.all == [
                "warning refused a turn reason=the trace cannot be written times=1",
                "warning refused a turn reason=there are too many sessions times=1",
            ])
    }

    @Test("Refused requests are logged at intervals, by their code")
    func refusedRequests() {
        let lines = Lines()
        let log = TurnLog(logger: lines.logger(), clock: .system)
        for _ in 0..<1000 { log.refusedRequest(.invalidKey) }
        log.refusedRequest(.unsupportedCoding)
        #expect(lines.all.count == 2 && lines.all.allSatisfy { $0.hasPrefix("warning refused a request reason=") })
        #expect(lines.all.first?.contains("API key") == true && lines.all.last?.contains("compressed") == true)
    }

    @Test(
        "A path at which an engine generates is known",
        arguments: [
            ("/invocations", true), ("/v1/chat/completions/batch", true), ("/completion", true), ("/generate", true),
            ("/generate_stream", true), ("/api/chat", true), ("/api/generate", true), ("/infill", true),
            ("/openai/deployments/gpt-4o/chat/completions", true), ("/openai/deployments/x/completions", true),
            ("/v1beta/models/gemini-2.5:generateContent", true), ("/v1beta/models/m:streamGenerateContent", true),
            ("/model/anthropic.claude/invoke", true), ("/model/x/converse-stream", true),
            ("/anthropic/v1/messages", true),
            ("/v2/models/m/infer", true), ("/v1/responses/compact", true), ("/GENERATE/", true), ("/%67enerate", true),
            ("/inference/v1/generate", true), ("/v1/projects/p/models/m:rawPredict", true),
            ("/v1/embeddings", false), ("/tokenize", false), ("/v1/models", false),
            ("/v1/messages/count_tokens", false),
            ("/v1beta/models/m:countTokens", false), ("/v1/responses/resp_1/cancel", false), ("/", false),
            ("/api/tags", false), ("/v1/chat", false),
        ])
    func generatingPaths(path: String, isGenerating: Bool) {
        #expect(UncapturedGeneration.isGenerating(path) == isGenerating)
    }

    @Test("Uncaptured generation is logged once for each route, and counted in health")
    func uncapturedGeneration() async throws {
        let lines = Lines()
        let generation = UncapturedGeneration(logger: lines.logger())
        for path in ["/invocations", "/generate", "/invocations", "/tokenize"] {
            generation.note(method: .POST, path: path)
        }
        generation.note(method: .GET, path: "/generate")
        #expect(generation.requests == 3)
        #expect(
            lines.all.map { $0.split(separator: " ").last } == ["route=/invocations", "route=/generate"])
        for index in 0..<1000 { generation.note(method: .POST, path: "/\(index)/generate") }
        #expect(generation.requests == 1003 && lines.all.count == 100)

        try await withProxy(script: { try await $0.respond(body: "{}") }) { proxy in
            for path in ["/invocations", "/v1/embeddings", "/v1/chat/completions/batch"] {
                #expect(try await post(port: proxy.port, path: path, body: "{}").status == 200)
            }
            let agent = try await proxy.connect()
            try await agent.send(requestBytes("GET", path: "/healthz"))
            #expect(try await agent.readResponse().bodyText == #"{"status":"ok","uncaptured":2}"#)
        }
    }

    @Test("Without capture nothing is counted")
    func withoutCapture() async throws {
        try await withProxy({ $0.capture = .off }, script: { try await $0.respond(body: "{}") }) { proxy in
            #expect(try await post(port: proxy.port, path: "/generate", body: "{}").status == 200)
            let agent = try await proxy.connect()
            try await agent.send(requestBytes("GET", path: "/healthz"))
            #expect(try await agent.readResponse().bodyText == #"{"status":"ok"}"#)
        }
    }
}
