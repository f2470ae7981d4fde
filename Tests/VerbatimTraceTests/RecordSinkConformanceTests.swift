import TestSupport
import Testing
import VerbatimTesting

@testable import VerbatimTrace

@Suite("Record sinks", .timeLimit(.minutes(5))) struct RecordSinkConformanceTests {
    @Test("The trace recorder conforms", arguments: [TraceRecorder.Configuration.Sync.write, .disk])
    func traceRecorder(sync: TraceRecorder.Configuration.Sync) async throws {
        let folder = try TemporaryFolder()
        let counter = Counter()
        let conformance = RecordSinkConformance {
            counter.increment()
            let path = folder.path("trace-\(counter.count)")
            let faults = FaultyFileSystem()
            let recorder = try TraceRecorder(path: path, sync: sync, fileSystem: faults.system)
            return .init(sink: recorder) {
                try records(path).map { ($0["session_id"] as? String ?? "", $0["turn"] as? Int ?? 0) }
            }
        }
        #expect(await conformance.violations() == [])
    }

    @Test("The folder of traces conforms", arguments: [TraceRecorder.Configuration.Sync.write, .disk])
    func traceFolder(sync: TraceRecorder.Configuration.Sync) async throws {
        let folder = try TemporaryFolder()
        let counter = Counter()
        let conformance = RecordSinkConformance {
            counter.increment()
            let path = folder.path("traces-\(counter.count)")
            let traces = try TraceFolder(path: path, fileSystem: FaultyFileSystem().system) {
                $0.recorder.sync = sync
                $0.maximumOpenFiles = 3
            }
            return .init(sink: traces) {
                try traces.rollouts(limit: 100).flatMap { try records(traces.path(of: $0)) }
                    .map { ($0["session_id"] as? String ?? "", $0["turn"] as? Int ?? 0) }
            }
        }
        #expect(await conformance.violations() == [])
    }

    @Test("The in-memory sink conforms")
    func inMemorySink() async {
        let conformance = RecordSinkConformance {
            let sink = InMemorySink()
            return .init(sink: sink) { sink.records.map { ($0.sessionID, $0.turn) } }
        }
        #expect(await conformance.violations() == [])
    }

    @Test("The suite notices a sink that reports nothing in order, or persists nothing")
    func faultySinksAreFound() async {
        let forgetful = RecordSinkConformance {
            .init(sink: InMemorySink()) { [] }
        }
        #expect(await forgetful.violations().count == 3)
        let reversing = RecordSinkConformance {
            let sink = InMemorySink()
            return .init(sink: sink) { sink.records.reversed().map { ($0.sessionID, $0.turn) } }
        }
        #expect(await reversing.violations().count == 3)
    }
}
