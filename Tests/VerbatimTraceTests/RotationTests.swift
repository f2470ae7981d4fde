import Foundation
import Synchronization
import TestSupport
import Testing
import VerbatimPlatform

@testable import VerbatimTrace

/// The file is renamed, deleted or replaced while the recorder is writing.
@Suite(.timeLimit(.minutes(2))) struct RotationTests {
    private let folder: TemporaryFolder
    private var path: String { folder.path("trace.jsonl") }
    private var rotated: String { folder.path("trace.jsonl.1") }
    private let log = Log()
    private let faults = FaultyFileSystem()

    init() throws { folder = try TemporaryFolder() }

    private func recorder(
        sync: TraceRecorder.Configuration.Sync = .write, retryInterval: Duration = .milliseconds(1)
    ) throws -> TraceRecorder {
        try TraceRecorder(path: path, sync: sync, retryInterval: retryInterval, fileSystem: faults.system, log: log)
    }

    private func move(_ source: String, to target: String) throws {
        try FileManager.default.moveItem(atPath: source, toPath: target)
    }

    private func turns(_ path: String) throws -> [Int?] { try records(path).map { $0["turn"] as? Int } }

    private func untilAccepting(_ recorder: TraceRecorder) async {
        while recorder.refusal != nil { await Task.yield() }
    }

    @Test(
        "A renamed file gets no more records, and numbering continues in the new one",
        arguments: [TraceRecorder.Configuration.Sync.write, .disk])
    func aRenamedFileGetsNoMoreRecords(_ sync: TraceRecorder.Configuration.Sync) async throws {
        let recorder = try recorder(sync: sync)
        #expect(await recorder.keep(.sample(turn: try recorder.next("default"))) == nil)
        try move(path, to: rotated)
        #expect(await recorder.keep(.sample(turn: try recorder.next("default"))) == nil)
        #expect(try turns(rotated) == [1])
        #expect(try turns(path) == [2], "numbering continues")
        #expect(log.messages == ["reopened the trace"])
        #expect(log.events.first?.metadata.map(\.value) == [path])
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        // The renamed file is unlocked, and the new one is locked.
        try TraceRecorder(path: rotated).close()
        #expect(throws: TraceError.self) { try TraceRecorder(path: path).close() }
        recorder.close()
    }

    @Test("A deleted file is created again with its folders") func aDeletedFileIsMadeAgainWithItsFolders() async throws
    {
        let path = folder.path("a/b/trace.jsonl")
        let recorder = try TraceRecorder(path: path, log: log)
        #expect(await recorder.keep(.sample(turn: 1)) == nil)
        try FileManager.default.removeItem(atPath: folder.path("a"))
        #expect(await recorder.keep(.sample(turn: 2)) == nil)
        #expect(try turns(path) == [2])
        recorder.close()
    }

    @Test("A renamed file is noticed although nothing is written") func renamingIsNoticedWithoutAnyWrite() async throws
    {
        let recorder = try TraceRecorder(path: path, watchInterval: .milliseconds(1), log: log)
        for round in 1...3 {
            try move(path, to: folder.path("\(round)"))
            while !FileManager.default.fileExists(atPath: path) { await Task.yield() }
        }
        recorder.close()
        try FileManager.default.removeItem(atPath: path)
        #expect(log.messages == Array(repeating: "reopened the trace", count: 3))
    }

    @Test("Reopening on request checks the path at once") func reopeningOnRequest() async throws {
        let recorder = try recorder()
        #expect(await recorder.reopened() == nil)
        #expect(log.messages == [], "the file is still at its path")
        try move(path, to: rotated)
        #expect(await recorder.reopened() == nil)
        #expect(try contents(path) == [])
        recorder.close()
        try FileManager.default.removeItem(atPath: path)
        _ = await recorder.reopened()
        #expect(!FileManager.default.fileExists(atPath: path), "a closed trace stays closed")
    }

    @Test("The records of the file now at the path are continued") func recordsAtThePathAreContinued() async throws {
        let recorder = try recorder()
        for session in ["a", "b"] {
            for _ in 1...3 {
                let turn = try recorder.next(session)
                #expect(await recorder.keep(.sample(turn: turn, session: session)) == nil)
            }
        }
        let other =
            #"{"turn":7,"session_id":"a"}"# + "\n" + #"{"turn":2,"session_id":"b"}"# + "\n"
            + #"{"turn":5,"session_id":"c"}"# + "\n"
        try write(Array((other + #"{"turn":9,"sess"#).utf8), to: folder.path("other"))
        try move(path, to: rotated)
        try move(folder.path("other"), to: path)
        #expect(await recorder.reopened() == nil)
        #expect(try ["a", "b", "c", "d"].map { try recorder.next($0) } == [8, 4, 6, 1])
        #expect(try contents(path) == Array(other.utf8))
        #expect(try contents(path + ".torn-1") == Array(#"{"turn":9,"sess"#.utf8))
        recorder.close()
    }

    @Test("Turns are refused while another proxy has the file at the path locked")
    func anotherProxyHasTheFileAtThePath() async throws {
        let recorder = try recorder()
        #expect(await recorder.keep(.sample(turn: 1)) == nil)
        try move(path, to: rotated)
        let other = try TraceRecorder(path: path)
        #expect(await recorder.keep(.sample(turn: 2)) != nil)
        #expect(recorder.refusal?.contains("another proxy") == true)
        #expect(recorder.refusal?.contains(folder.path) == false, "agents must not see paths")
        #expect(await recorder.reopened()?.message.contains(path) == true)
        #expect(await other.keep(.sample(turn: 1, session: "other")) == nil)
        other.close()
        await untilAccepting(recorder)
        recorder.close()
        #expect(try turns(rotated) == [1])
        #expect(try records(path).map { $0["session_id"] as? String } == ["other", "default"])
        #expect(log.messages.filter { $0.contains("cannot write") }.count == 1)
        #expect(log.messages.last == "the trace can be written again")
    }

    @Test("Turns are refused while the folder cannot be created") func theFolderCannotBeMade() async throws {
        let path = folder.path("run/trace.jsonl")
        let (old, file) = (folder.path("old"), folder.path("file"))
        try FileManager.default.createDirectory(atPath: old, withIntermediateDirectories: false)
        try FileManager.default.createSymbolicLink(atPath: folder.path("run"), withDestinationPath: old)
        let recorder = try TraceRecorder(path: path, watchInterval: .milliseconds(1), log: log)
        #expect(await recorder.keep(.sample(turn: 1)) == nil)
        // In one step, so that the recorder cannot create the folder again in between.
        try write([], to: file)
        #expect(rename(file, folder.path("run")) == 0)
        while recorder.refusal == nil { await Task.yield() }
        let error = await recorder.keep(.sample(turn: 2))
        #expect(error?.systemError == .isNotDirectory || error?.systemError == .exists)
        #expect(recorder.statistics.pending == 1)
        try FileManager.default.removeItem(atPath: folder.path("run"))
        await untilAccepting(recorder)
        #expect(await recorder.keep(.sample(turn: 3)) == nil)
        recorder.close()
        #expect(try turns(folder.path("old/trace.jsonl")) == [1])
        #expect(try turns(path) == [2, 3])
        let capture = try records(path)[0]["capture"] as? [String: Any]
        #expect(capture?["problems"] as? [String] == ["trace_write_failed"])
    }

    /// Having no pending records is not a success while there is no file.
    @Test("A retry without records does not end a failure") func retryWithoutRecordsDoesNotEndAFailure() async throws {
        let path = folder.path("run/trace.jsonl")
        let recorder = try TraceRecorder(path: path, retryInterval: .milliseconds(1), log: log)
        try move(folder.path("run"), to: folder.path("old"))
        try write([], to: folder.path("run"))
        #expect(await recorder.reopened() != nil)
        for _ in 1...20 {
            try await Task.sleep(for: .milliseconds(2))
            #expect(recorder.refusal != nil)
        }
        #expect(log.messages.count == 1)
        try FileManager.default.removeItem(atPath: folder.path("run"))
        await untilAccepting(recorder)
        recorder.close()
        #expect(FileManager.default.fileExists(atPath: path))
    }

    /// The worst moment: after the writer has checked the path, and before it writes.
    @Test("A file renamed or deleted between the check and the write loses no record", arguments: [true, false])
    func renamingBeforeAWriteLosesNoRecord(isDeleted: Bool) async throws {
        let (path, rotated) = (path, rotated)
        faults.onWrite { number, _ in
            if number == 2 {
                if isDeleted {
                    try? FileManager.default.removeItem(atPath: path)
                } else {
                    try? FileManager.default.moveItem(atPath: path, toPath: rotated)
                }
            }
            return nil
        }
        let recorder = try recorder()
        for turn in 1...3 { #expect(await recorder.keep(.sample(turn: turn)) == nil) }
        recorder.close()
        #expect(try turns(path) == (isDeleted ? [2, 3] : [3]))
        if !isDeleted { #expect(try turns(rotated) == [1, 2]) }
    }

    @Test("A truncated file is continued") func truncatedFileIsContinued() async throws {
        let recorder = try recorder()
        for turn in 1...3 {
            #expect(await recorder.keep(.sample(turn: turn)) == nil)
            let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
            try file.truncate(atOffset: 0)
        }
        #expect(await recorder.keep(.sample(turn: 4)) == nil)
        recorder.close()
        #expect(try contents(path) == TurnRecordEncoder.encode(.sample(turn: 4)))
        #expect(log.messages == [])
    }

    /// The truncated line is lost, but not the next record.
    @Test("After a truncation within a line the next record starts on a new line")
    func recordAfterATruncatedLineStartsANewLine() async throws {
        let recorder = try recorder()
        let lines = (1...3).map { TurnRecordEncoder.encode(.sample(turn: $0)) }
        for turn in 1...2 { #expect(await recorder.keep(.sample(turn: turn)) == nil) }
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try file.truncate(atOffset: UInt64(lines[0].count + 20))
        #expect(await recorder.keep(.sample(turn: 3)) == nil)
        #expect(await recorder.keep(.sample(turn: 4)) == nil)
        recorder.close()
        let torn = lines[0] + lines[1].prefix(20) + [UInt8(ascii: "\n")]
        #expect(try contents(path) == torn + lines[2] + TurnRecordEncoder.encode(.sample(turn: 4)))
    }

    /// Records written to a deleted file would be lost, whatever the reason why its path cannot be checked.
    @Test("A deleted file is given up although its path cannot be checked")
    func deletedFileIsGivenUpIfItsPathCannotBeChecked() async throws {
        let (target, link) = (folder.path("run"), folder.path("link"))
        try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: false)
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: target)
        let recorder = try TraceRecorder(path: link + "/trace.jsonl", retryInterval: .milliseconds(1), log: log)
        #expect(await recorder.keep(.sample(turn: 1)) == nil)
        try FileManager.default.removeItem(atPath: target)
        try FileManager.default.removeItem(atPath: link)
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: link)
        #expect(await recorder.keep(.sample(turn: 2))?.systemError == SystemError(ELOOP))
        try FileManager.default.removeItem(atPath: link)
        await untilAccepting(recorder)
        recorder.close()
        #expect(try turns(link + "/trace.jsonl") == [2])
    }

    @Test("Waiting records go to the new file as a whole") func recordsThatWaitGoToTheNewFileWhole() async throws {
        faults.onWrite { number, _ in
            number == 1 ? nil : number % 2 == 0 ? .short(20) : .error(.noSpace)
        }
        faults.state.withLock { $0.failsTruncation = true }
        let recorder = try recorder(retryInterval: .seconds(3600))
        #expect(await recorder.keep(.sample(turn: 1)) == nil)
        for turn in 2...4 { #expect(await recorder.keep(.sample(turn: turn)) != nil) }
        faults.state.withLock { $0.failsTruncation = false }
        try move(path, to: rotated)
        faults.onWrite { _, _ in nil }
        #expect(await recorder.reopened() == nil)
        recorder.close()
        #expect(try contents(rotated) == TurnRecordEncoder.encode(.sample(turn: 1)), "a partly written line is removed")
        #expect(try turns(path) == [2, 3, 4])
    }

    @Test("A link that points to another file is followed") func linkToAnotherFileIsFollowed() async throws {
        for name in ["one", "two"] { try write([], to: folder.path(name)) }
        let link = folder.path("link")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: folder.path("one"))
        let recorder = try TraceRecorder(path: link, log: log)
        #expect(await recorder.keep(.sample(turn: 1)) == nil)
        try FileManager.default.removeItem(atPath: link)
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: folder.path("two"))
        #expect(await recorder.keep(.sample(turn: 2)) == nil)
        recorder.close()
        #expect(try turns(folder.path("one")) == [1])
        #expect(try turns(folder.path("two")) == [2])
    }

    /// Renames the file repeatedly, as log rotation does. Returns how often.
    private func rotate(until isOver: Counter) async -> Int {
        var count = 0
        while isOver.count == 0 {
            if rename(path, folder.path("rotated-\(count)")) == 0 { count += 1 }
            await Task.yield()
        }
        return count
    }

    /// Many sessions record while the file is renamed all the time.
    @Test("Under constant rotation every record is whole in exactly one file") func underLoad() async throws {
        let recorder = try TraceRecorder(path: path, watchInterval: .milliseconds(1))
        let isOver = Counter()
        async let rotating = rotate(until: isOver)
        let filler = #"{"a":""# + String(repeating: "x", count: 30_000) + #""}"#
        try await withThrowingTaskGroup(of: Void.self) { writers in
            for session in 0..<8 {
                writers.addTask {
                    for _ in 1...100 {
                        let turn = try recorder.next("\(session)")
                        let error = await recorder.keep(.sample(turn: turn, session: "\(session)", request: filler))
                        #expect(error == nil)
                    }
                }
            }
            try await writers.waitForAll()
        }
        isOver.increment()
        let rotations = await rotating
        recorder.close()
        let files = (0..<rotations).map { folder.path("rotated-\($0)") } + [path]
        var seen: [String: [Int]] = [:]
        for file in files where FileManager.default.fileExists(atPath: file) {
            let text = try contents(file)
            #expect(text.isEmpty || text.last == 0x0A)
            for record in try records(file) {
                let session = try #require(record["session_id"] as? String)
                seen[session, default: []].append(try #require(record["turn"] as? Int))
            }
        }
        #expect(rotations > 0)
        for session in 0..<8 { #expect(seen["\(session)"]?.sorted() == Array(1...100)) }
    }
}
