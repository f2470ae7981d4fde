import Foundation
import Synchronization
import TestSupport
import Testing
import VerbatimPlatform

@testable import VerbatimTrace

@Suite struct WriteFailureTests {
    private let folder: TemporaryFolder
    private var path: String { folder.path("trace.jsonl") }
    private let faults = FaultyFileSystem()
    private let log = Log()

    init() throws { folder = try TemporaryFolder() }

    private func recorder(
        sync: TraceRecorder.Configuration.Sync = .write,
        retryInterval: Duration = .milliseconds(1)
    ) throws -> TraceRecorder {
        try TraceRecorder(path: path, sync: sync, retryInterval: retryInterval, fileSystem: faults.system, log: log)
    }

    /// Waits until a scheduled retry has succeeded.
    private func untilAccepting(_ recorder: TraceRecorder) async {
        while recorder.refusal != nil { await Task.yield() }
    }

    private func captureProblems(_ record: [String: Any]) -> [String]? {
        (record["capture"] as? [String: Any])?["problems"] as? [String]
    }

    @Test("A failed record is reported at once and written later", arguments: [true, false])
    func failedRecordIsReportedAtOnceAndWrittenLater(isHeadSent: Bool) async throws {
        faults.onWrite { number, _ in number <= 3 ? .error(.noSpace) : nil }
        let recorder = try recorder()
        var record = TurnRecord.sample()
        record.isHeadSent = isHeadSent
        let error = await recorder.keep(record)
        #expect(error?.code == .cannotWrite)
        #expect(error?.systemError == .noSpace)
        #expect(error?.message.contains("No space left") == true)
        await untilAccepting(recorder)

        let written = try records(path)
        #expect(written.count == 1)
        #expect(captureProblems(written[0]) == ["trace_write_failed"])
        #expect((written[0]["capture"] as? [String: Any])?["complete"] as? Bool == false)
        #expect(written[0]["status"] as? Int == (isHeadSent ? 200 : 503))
        #expect(faults.writes.count == 4)
        #expect(log.messages.count == 2, "logged once when it fails and once when it works again")
        let statistics = recorder.statistics
        #expect((statistics.recorded, statistics.failed, statistics.pending) == (1, 1, 0))
        #expect(await recorder.keep(.sample(turn: 2)) == nil)
        recorder.close()
        #expect(captureProblems(try records(path)[1]) == [])
    }

    @Test("During a failure turns are refused, and records fail at once")
    func whileFailingTurnsAreRefusedAndRecordsFailAtOnce() async throws {
        faults.onWrite { _, _ in .error(.noSpace) }
        let recorder = try recorder(retryInterval: .seconds(3600))
        for turn in 1...5 {
            #expect(await recorder.keep(.sample(turn: turn)) != nil)
            #expect(recorder.refusal == "the trace cannot be written: No space left on device")
        }
        #expect(recorder.statistics.pending == 5)
        faults.onWrite { _, _ in nil }
        #expect(await recorder.keep(.sample(turn: 6)) == nil, "the next record does not wait for the retry interval")
        #expect(recorder.statistics.recorded == 6)
        recorder.close()
        let written = try records(path)
        #expect(written.map { $0["turn"] as? Int } == Array(1...6))
        #expect(written.map(captureProblems).dropLast().allSatisfy { $0 == ["trace_write_failed"] })
        #expect(captureProblems(written[5]) == [])
    }

    @Test("A partly written line is removed") func partlyWrittenLineIsRemoved() async throws {
        try write(Array(#"{"turn":1}"#.utf8) + [0x0A], to: path)
        faults.onWrite { number, _ in
            switch number {
            case 1, 4: .short(7)
            case 2, 5: .short(20)
            case 3, 6: .error(.noSpace)
            default: nil
            }
        }
        let recorder = try recorder(retryInterval: .seconds(3600))
        for _ in 1...2 {
            #expect(await recorder.keep(.sample(turn: 2)) != nil)
            #expect(try contents(path) == Array(#"{"turn":1}"#.utf8) + [0x0A])
        }
        recorder.close()
        #expect(try records(path).map { $0["turn"] as? Int } == [1, 2, 2])
    }

    @Test("Short writes are continued") func shortWritesAreContinued() async throws {
        faults.onWrite { _, count in .short(min(count, 10)) }
        let recorder = try recorder()
        #expect(await recorder.keep(.sample()) == nil)
        recorder.close()
        #expect(try contents(path) == TurnRecordEncoder.encode(.sample()))
    }

    @Test("A failed truncation is repeated before anything is written")
    func aFailedTruncationIsRepeatedBeforeAnythingIsWritten() async throws {
        faults.onWrite { number, _ in
            switch number {
            case 1: .short(7)
            case 2: .error(.noSpace)
            default: nil
            }
        }
        faults.state.withLock { $0.failsTruncation = true }
        let recorder = try recorder(retryInterval: .seconds(3600))
        #expect(await recorder.keep(.sample(turn: 1)) != nil)
        #expect(try contents(path).count == 7)
        #expect(await recorder.keep(.sample(turn: 2)) != nil)
        #expect(faults.writes.count == 2, "nothing is written after a torn line")
        faults.state.withLock { $0.failsTruncation = false }
        #expect(await recorder.keep(.sample(turn: 3)) == nil)
        recorder.close()
        #expect(try records(path).map { $0["turn"] as? Int } == [1, 2, 3])
    }

    @Test("A file truncated by another program is not extended") func truncatedFileIsNotExtended() async throws {
        let path = path
        faults.onWrite { number, _ in
            if number == 3 {
                try? write([], to: path)
                return .error(.noSpace)
            }
            return number == 2 ? .short(5) : nil
        }
        let recorder = try recorder(retryInterval: .seconds(3600))
        await recorder.keep(.sample(turn: 1))
        #expect(await recorder.keep(.sample(turn: 2)) != nil)
        #expect(try contents(path) == [])
        recorder.close()
    }

    @Test("A failed sync is a failure") func aFailedSyncIsAFailure() async throws {
        faults.state.withLock { $0.failsSync = true }
        let recorder = try recorder(sync: .disk, retryInterval: .seconds(3600))
        #expect(await recorder.keep(.sample()) != nil)
        #expect(try contents(path) == [])
        faults.state.withLock { $0.failsSync = false }
        recorder.close()
        #expect(try records(path).count == 1)
    }

    @Test("If a batch fails, the records that fit are written") func recordsThatFitAreWritten() async throws {
        let release = DispatchSemaphore(value: 0)
        let entered = AsyncStream.makeStream(of: Void.self)
        let line = TurnRecordEncoder.encode(.sample()).count
        faults.onWrite { number, count in
            if number == 1 {
                entered.continuation.finish()
                release.wait()
            }
            // Only single lines fit, and at first not even those.
            return count > 2 * line || number == 5 ? .error(.noSpace) : nil
        }
        let recorder = try recorder(retryInterval: .seconds(3600))
        recorder.record(.sample()) { _ in }
        for await _ in entered.stream {}
        let outcomes = Mutex<[String]>([])
        for turn in 2...6 {
            recorder.record(.sample(turn: turn)) { result in
                outcomes.withLock { $0.append("\(turn) \((try? result.get()) != nil)") }
            }
        }
        release.signal()
        recorder.close()
        #expect(outcomes.withLock { $0 } == ["2 true", "3 true", "4 false", "5 false", "6 false"])
        let written = try records(path)
        #expect(written.map { $0["turn"] as? Int } == Array(1...6))
        #expect(written.map { captureProblems($0)?.isEmpty } == [true, true, true, false, false, false])
    }

    @Test("Closing during a failure loses records, and logs how many") func closingDuringAFailureLogsLostRecords()
        async throws
    {
        faults.onWrite { _, _ in .error(.noSpace) }
        let recorder = try recorder(retryInterval: .seconds(3600))
        #expect(await recorder.keep(.sample()) != nil)
        let failed = Counter()
        recorder.record(.sample(turn: 2)) { if case .failure = $0 { failed.increment() } }
        recorder.close()
        #expect(failed.count == 1)
        #expect(log.messages.last == "records were lost: the trace could not be written")
        #expect(log.events.last?.metadata.map(\.value) == ["2"])
        #expect(recorder.statistics.lost == 2)
        #expect(recorder.statistics.pendingBytes == 0)
    }
}
