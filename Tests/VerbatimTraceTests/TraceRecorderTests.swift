import Foundation
import Synchronization
import TestSupport
import Testing

@testable import VerbatimTrace

@Suite struct TraceRecorderTests {
    private let folder: TemporaryFolder
    private var path: String { folder.path("trace.jsonl") }

    init() throws { folder = try TemporaryFolder() }

    private func permissions(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    private func turns() throws -> [Int?] { try records(path).map { $0["turn"] as? Int } }

    // MARK: Opening

    @Test("Parent folders and a private file are created") func makesParentFoldersAndAPrivateFile() throws {
        let deep = folder.path("a/b//c/trace.jsonl")
        try TraceRecorder(path: deep).close()
        #expect(try contents(deep) == [])
        #expect(try permissions(deep) == 0o600)
    }

    @Test("Relative paths work") func relativePathsWork() throws {
        let name = "trace-\(UUID().uuidString).jsonl"
        try TraceRecorder(path: name, sync: .disk).close()
        try FileManager.default.removeItem(atPath: name)
    }

    @Test("An existing file keeps its contents and mode") func existingFilesKeepTheirContentsAndMode() async throws {
        try write(Array(#"{"turn":1}"#.utf8) + [0x0A], to: path)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        let recorder = try TraceRecorder(path: path)
        await recorder.keep(.sample(turn: try recorder.next("default")))
        recorder.close()
        #expect(try turns() == [1, 2])
        #expect(try permissions(path) == 0o644)
    }

    @Test("Links are followed") func linksAreFollowed() async throws {
        try FileManager.default.createSymbolicLink(atPath: folder.path("link"), withDestinationPath: path)
        #expect(throws: TraceError.self, "a dangling link") { try TraceRecorder(path: folder.path("link")).close() }
        try write([], to: path)
        let recorder = try TraceRecorder(path: folder.path("link"))
        await recorder.keep(.sample())
        recorder.close()
        #expect(try turns() == [1])
    }

    @Test("A second recorder of the same file is refused") func aSecondRecorderIsRefused() throws {
        let first = try TraceRecorder(path: path)
        let error = #expect(throws: TraceError.self) { _ = try TraceRecorder(path: path) }
        #expect(error?.code == .locked && error?.cause == .lockHolder(processID: nil), "the holder is this process")
        #expect(error?.message.contains("another proxy") == true)
        first.close()
        try TraceRecorder(path: path).close()
    }

    @Test("The lock ends with the recorder") func theLockGoesWithTheRecorder() throws {
        _ = try TraceRecorder(path: path)
        try TraceRecorder(path: path).close()
    }

    @Test("The error states why a path cannot be opened") func openingErrorStatesTheReason() throws {
        try write([], to: folder.path("file"))
        let cases = [
            ("", "empty"), (folder.path, "folder"), (folder.path + "/", "folder"),
            (folder.path("new/"), "folder"), (folder.path("file/trace"), "in the way"),
            (folder.path("file/a/trace"), "in the way"), (folder.path(String(repeating: "x", count: 300)), "too long"),
            ("a\0b", "open"), ("/proc/nowhere/trace", "open"),
        ]
        for (path, expected) in cases {
            let error = #expect(throws: TraceError.self, "\(path)") { _ = try TraceRecorder(path: path) }
            #expect(error?.code == .cannotOpen, "\(path)")
            #expect(error?.message.contains(expected) == true, "\(path): \(error?.message ?? "")")
        }
    }

    // MARK: Recording

    @Test("A record is in the file when it is reported as persisted") func reportedRecordIsInTheFile()
        async throws
    {
        let recorder = try TraceRecorder(path: path)
        for turn in 1...20 {
            #expect(await recorder.keep(.sample(turn: turn)) == nil)
            #expect(try turns().last == turn)
        }
        #expect(recorder.statistics.recorded == 20)
        #expect(recorder.statistics.pending == 0)
        #expect(recorder.statistics.pendingBytes == 0)
        #expect(recorder.refusal == nil)
        recorder.close()
    }

    @Test("Each of many concurrent records gets its own line") func manyWritersEachGetALine() async throws {
        let recorder = try TraceRecorder(path: path)
        try await withThrowingTaskGroup { group in
            for session in 0..<16 {
                group.addTask {
                    for _ in 0..<50 {
                        let turn = try recorder.next("\(session)")
                        await recorder.keep(.sample(turn: turn, session: "\(session)"))
                    }
                }
            }
            try await group.waitForAll()
        }
        recorder.close()
        let records = try records(path)
        #expect(records.count == 800)
        for session in 0..<16 {
            let turns = records.filter { $0["session_id"] as? String == "\(session)" }.map { $0["turn"] as? Int }
            #expect(turns == Array(1...50))
        }
    }

    /// Holds the first write until `release`, so that later records wait.
    private func recorderHeldInItsFirstWrite(
        _ faults: FaultyFileSystem,
        release: DispatchSemaphore,
        sync: TraceRecorder.Configuration.Sync = .write
    ) async throws -> TraceRecorder {
        let entered = AsyncStream.makeStream(of: Void.self)
        faults.onWrite { number, _ in
            if number == 1 {
                entered.continuation.finish()
                release.wait()
            }
            return nil
        }
        let recorder = try TraceRecorder(path: path, sync: sync, fileSystem: faults.system)
        recorder.record(.sample(turn: 1)) { _ in }
        for await _ in entered.stream {}
        return recorder
    }

    @Test(
        "Waiting records are written together and reported in order",
        arguments: [TraceRecorder.Configuration.Sync.write, .disk])
    func waitingRecordsAreWrittenTogetherInOrder(_ sync: TraceRecorder.Configuration.Sync) async throws {
        let faults = FaultyFileSystem()
        let release = DispatchSemaphore(value: 0)
        let recorder = try await recorderHeldInItsFirstWrite(faults, release: release, sync: sync)
        let order = Mutex<[Int]>([])
        for turn in 2...30 {
            recorder.record(.sample(turn: turn)) { _ in order.withLock { $0.append(turn) } }
        }
        #expect(recorder.statistics.pending == 30)
        release.signal()
        recorder.close()
        let line = TurnRecordEncoder.encode(.sample(turn: 1)).count
        #expect(faults.writes.count == 2)
        #expect(faults.writes.first == line)
        #expect(faults.state.withLock { $0.syncs } == (sync == .disk ? 2 : 0))
        #expect(order.withLock { $0 } == Array(2...30))
        #expect(try turns() == Array(1...30))
    }

    @Test("The size of a batch is limited") func batchesAreBounded() async throws {
        let faults = FaultyFileSystem()
        let release = DispatchSemaphore(value: 0)
        let recorder = try await recorderHeldInItsFirstWrite(faults, release: release)
        let request = #"{"a":""# + String(repeating: "x", times: 3_000_000) + #""}"#
        for turn in 2...7 { recorder.record(.sample(turn: turn, request: request)) { _ in } }
        release.signal()
        recorder.close()
        #expect(faults.writes.allSatisfy { $0 < 5_000_000 })
        #expect(faults.writes.count == 7)
        #expect(try turns() == Array(1...7))
    }

    @Test("Too many waiting bytes refuse turns, but not records") func tooManyWaitingBytesRefuseOnlyTurns()
        async throws
    {
        let faults = FaultyFileSystem()
        let release = DispatchSemaphore(value: 0)
        let entered = AsyncStream.makeStream(of: Void.self)
        faults.onWrite { number, _ in
            guard number == 1 else { return nil }
            entered.continuation.finish()
            release.wait()
            return nil
        }
        let recorder = try TraceRecorder(path: path, maximumPendingBytes: 5000, fileSystem: faults.system)
        recorder.record(.sample()) { _ in }
        for await _ in entered.stream {}
        #expect(recorder.refusal == nil)
        let kept = Counter()
        for turn in 2...9 { recorder.record(.sample(turn: turn)) { if case .success = $0 { kept.increment() } } }
        #expect(recorder.refusal?.contains("wait") == true)
        recorder.noteRefusedTurn()
        #expect(recorder.statistics.refused == 1)
        release.signal()
        #expect(await recorder.keep(.sample(turn: 10)) == nil)
        #expect(recorder.refusal == nil)
        recorder.close()
        #expect(kept.count == 8)
        #expect(try turns() == Array(1...10))
    }

    // MARK: Closing

    @Test("Closing writes the waiting records") func closingWritesWaitingRecords() throws {
        let recorder = try TraceRecorder(path: path)
        let kept = Counter()
        for turn in 1...500 {
            recorder.record(.sample(turn: turn)) { if case .success = $0 { kept.increment() } }
        }
        recorder.close()
        #expect(kept.count == 500)
        #expect(try turns() == Array(1...500))
    }

    @Test("A closed recorder accepts nothing") func closedRecorderAcceptsNothing() async throws {
        let log = Log()
        let recorder = try TraceRecorder(path: path, log: log)
        recorder.close()
        recorder.close()
        #expect(await recorder.keep(.sample())?.code == .closed)
        #expect(recorder.refusal == "the trace is closed")
        #expect(try contents(path) == [])
        #expect(log.messages == [])
    }
}
