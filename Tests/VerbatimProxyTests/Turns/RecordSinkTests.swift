import Logging
import TestSupport
import Testing
import VerbatimProxy
import VerbatimSchema
import VerbatimTesting
import VerbatimTrace

@Suite("Any sink", .onOwnThreads, .timeLimit(.minutes(3))) struct RecordSinkTests {
    /// Runs a proxy that records to `sink`, and stops it.
    private func withProxy(recordingTo sink: InMemorySink, _ body: (_ port: Int) async throws -> Void) async throws {
        let engine = try await MockEngine.start(script: Chat.engine.serve)
        var settings = ProxySettings(upstream: try UpstreamURL(engine.url))
        settings.port = 0
        settings.threads = 1
        settings.liftTimeLimits()
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let server = try await ProxyServer.start(settings, recorder: sink, logger: logger)
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(server.port))
        } catch {
            result = .failure(error)
        }
        await server.stop(grace: .zero)
        await engine.stop()
        try result.get()
    }

    @Test("The proxy records its turns to the sink it is given, and closes it")
    func recordsTurns() async throws {
        let sink = InMemorySink()
        try await withProxy(recordingTo: sink) { port in
            for body in [Chat.unary, Chat.stream] {
                let response = try await post(port: port, path: Chat.path, body: body)
                #expect(response.status == 200)
            }
            let records = sink.records
            #expect(records.map(\.turn) == [1, 2])
            #expect(records.allSatisfy { $0.outcome == .completed && $0.level == .tokens && $0.isComplete })
            #expect(records.map(\.isStream) == [false, true])
        }
        #expect(sink.isClosed)
    }

    @Test("A turn is refused while the sink has a reason to")
    func refusesTurns() async throws {
        let sink = InMemorySink()
        try await withProxy(recordingTo: sink) { port in
            sink.close()
            let response = try await post(port: port, path: Chat.path, body: Chat.unary)
            #expect(response.status == 503)
            #expect(sink.records.isEmpty && sink.refusedTurns == 1)
        }
    }
}
