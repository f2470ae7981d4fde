import Foundation
import Synchronization
import TestSupport
import Testing
import VerbatimPlatform

@testable import VerbatimTrace

/// Records that are submitted together.
@Suite(.timeLimit(.minutes(5))) struct SubmissionTests {
    private let folder: TemporaryFolder
    private let faults = FaultyFileSystem()
    /// The report of each turn, in order.
    private let told = Told()

    private final class Told: Sendable {
        private let stored = Mutex<[(turn: Int, isKept: Bool)]>([])
        func append(_ turn: Int, _ isKept: Bool) { stored.withLock { $0.append((turn, isKept)) } }
        var turns: [Int] { stored.withLock { $0.map(\.turn) } }
        var kept: [Int] { stored.withLock { $0.filter(\.isKept).map(\.turn) } }
    }

    init() throws { folder = try TemporaryFolder() }

    private var path: String { folder.path("trace") }
    private func turns() throws -> [Int?] { try records(path).map { $0["turn"] as? Int } }

    private func submissions(_ turns: ClosedRange<Int>) -> [RecordSubmission] {
        turns.map { turn in
            RecordSubmission(SharedRecord(.sample(turn: turn))) { [told] result in
                if case .success = result { told.append(turn, true) } else { told.append(turn, false) }
            }
        }
    }

    private func recorder(sync: TraceRecorder.Configuration.Sync = .write) throws -> TraceRecorder {
        try TraceRecorder(path: path, sync: sync, fileSystem: faults.system)
    }

    @Test(
        "Records submitted together are written together and in order",
        arguments: [TraceRecorder.Configuration.Sync.write, .disk])
    func recordsSubmittedTogetherAreWrittenInOrder(sync: TraceRecorder.Configuration.Sync) async throws {
        let recorder = try recorder(sync: sync)
        recorder.record(submissions(1...64))
        // Submitted after them, so that they have been reported when this one is.
        #expect(await recorder.keep(.sample(turn: 65)) == nil)
        #expect(told.turns == Array(1...64) && told.kept == told.turns)
        // The 65th record may be in the same write.
        #expect((1...2).contains(faults.writes.count))
        let syncs = faults.state.withLock { $0.syncs }
        #expect(syncs == (sync == .disk ? faults.writes.count : 0))
        recorder.close()
        #expect(try turns() == Array(1...65))
        #expect(recorder.statistics.pending == 0 && recorder.statistics.recorded == 65)
    }

    @Test("An empty submission writes nothing") func emptySubmissionWritesNothing() throws {
        let recorder = try recorder()
        recorder.record([])
        recorder.close()
        #expect(faults.writes.isEmpty)
    }

    @Test("Records that arrive while the writer is busy are written when it is free") func whileTheWriterIsBusy()
        async throws
    {
        let entered = AsyncStream.makeStream(of: Void.self)
        let release = DispatchSemaphore(value: 0)
        faults.onWrite { number, _ in
            guard number == 1 else { return nil }
            entered.continuation.finish()
            release.wait()
            return nil
        }
        let recorder = try recorder()
        recorder.record(submissions(1...3))
        for await _ in entered.stream {}
        recorder.record(submissions(4...10))
        recorder.record(submissions(11...20))
        #expect(told.turns.isEmpty && recorder.statistics.pending == 20)
        release.signal()
        recorder.close()
        #expect(told.turns == Array(1...20) && told.kept == told.turns)
        #expect(faults.writes.count == 2)
        #expect(try turns() == Array(1...20))
    }

    @Test("A closed recorder fails each submission") func aClosedRecorderRefusesEach() throws {
        let recorder = try recorder()
        recorder.close()
        recorder.record(submissions(1...5))
        #expect(told.turns == Array(1...5) && told.kept.isEmpty)
        #expect(try contents(path) == [])
    }

    @Test("After a failure each record is reported once, and written when possible") func failedRecordsAreReportedOnce()
        async throws
    {
        let fails = Mutex(true)
        let isBroken = { @Sendable in fails.withLock { $0 } }
        faults.onWrite { _, _ in isBroken() ? .error(.noSpace) : nil }
        let recorder = try recorder()
        recorder.record(submissions(1...10))
        while told.turns.count < 10 { await Task.yield() }
        #expect(told.turns == Array(1...10) && told.kept.isEmpty)
        fails.withLock { $0 = false }
        #expect(await recorder.keep(.sample(turn: 11)) == nil)
        recorder.close()
        #expect(try turns() == Array(1...11))
        #expect(told.turns == Array(1...10), "each is reported once")
    }

    @Test("Several threads can submit at the same time") func severalThreadsHandOverTogether() async throws {
        let recorder = try recorder()
        await withTaskGroup { group in
            for part in 0..<16 {
                group.addTask { recorder.record(submissions(part * 50 + 1...part * 50 + 50)) }
            }
        }
        recorder.close()
        #expect(told.kept.count == 800 && Set(told.kept) == Set(1...800))
        let written = try turns().compactMap { $0 }
        #expect(written == told.kept, "reports are in the order of the file")
        for part in 0..<16 {
            let own = written.filter { ($0 - 1) / 50 == part }
            #expect(own == own.sorted())
        }
    }
}
