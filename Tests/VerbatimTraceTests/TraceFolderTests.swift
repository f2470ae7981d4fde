import Foundation
import Synchronization
import TestSupport
import Testing
import VerbatimPlatform

@testable import VerbatimTrace

/// What holds for one trace holds for each file of a folder.
@Suite("A folder of traces", .timeLimit(.minutes(5))) struct TraceFolderTests {
    private let folder: TemporaryFolder
    private var path: String { folder.path("traces") }
    private let faults = FaultyFileSystem()
    private let log = Log()

    init() throws { folder = try TemporaryFolder() }

    private func open(_ configure: (inout TraceFolder.Configuration) -> Void = { _ in }) throws -> TraceFolder {
        try TraceFolder(path: path, fileSystem: faults.system, log: log, configure)
    }

    private func turns(_ rollout: String) throws -> [String] {
        try records("\(path)/\(rollout).jsonl").map { "\($0["session_id"] ?? "") \($0["turn"] ?? "")" }
    }

    // MARK: Files and numbers

    @Test("Each rollout has a file of its own, and turns are numbered on after a restart")
    func filesAndNumbers() async throws {
        for first in [1, 3] {
            let traces = try open()
            for turn in first...(first + 1) {
                for place in [
                    SessionPlace(rollout: "a"), SessionPlace(session: "a:sub", parent: "a", root: "a"),
                    SessionPlace(rollout: "b"),
                ] {
                    #expect(try await traces.turn(in: place) == turn)
                }
            }
            traces.close()
        }
        #expect(try turns("a") == (1...4).flatMap { ["a \($0)", "a:sub \($0)"] })
        #expect(try turns("b") == (1...4).map { "b \($0)" })
        let names = try FileManager.default.contentsOfDirectory(atPath: path)
        #expect(Set(names) == [".lock", "a.jsonl", "b.jsonl"])
        let mode = try FileManager.default.attributesOfItem(atPath: path + "/a.jsonl")[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    @Test("A start opens none of the files, and repairs each at its first use")
    func startReadsNothing() async throws {
        let line = TurnRecordEncoder.encode(.sample(turn: 7, session: "a"))
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        for name in ["a", "b", "c"] {
            try write(line + Array(#"{"turn":8,"session_id""#.utf8), to: "\(path)/\(name).jsonl")
        }
        // The whole of the last line is there but its line break.
        try write(line.dropLast(), to: "\(path)/c.jsonl")
        let traces = try open()
        #expect(traces.openFiles.count == 0 && log.events.isEmpty)
        #expect(try await traces.turn(in: SessionPlace(session: "a", root: "a")) == 8)
        #expect(try await traces.turn(in: SessionPlace(session: "a", root: "c")) == 8)
        traces.close()
        #expect(try turns("a") == ["a 7", "a 8"] && turns("c") == ["a 7", "a 8"])
        #expect(try contents(path + "/a.jsonl.torn-1") == Array(#"{"turn":8,"session_id""#.utf8))
        #expect(try contents(path + "/b.jsonl").last == UInt8(ascii: "\""), "not used, so not touched")
        #expect(log.messages.count == 2)
    }

    // MARK: Sub-agents whose root is not named

    @Test("An unnamed sub-agent belongs to the rollout of its ancestor, also after a restart")
    func parentChain() async throws {
        var traces = try open()
        #expect(try await traces.turn(in: SessionPlace(session: "main")) == 1)
        #expect(try await traces.turn(in: SessionPlace(session: "sub", parent: "main")) == 1)
        #expect(try await traces.turn(in: SessionPlace(session: "deep", parent: "sub")) == 1)
        traces.close()
        traces = try open()
        // Neither needs to say again whose descendant it is.
        #expect(try await traces.turn(in: SessionPlace(session: "deep")) == 2)
        #expect(try await traces.turn(in: SessionPlace(session: "deeper", parent: "deep")) == 1)
        #expect(try await traces.turn(in: SessionPlace(session: "sub", parent: "other")) == 2)
        traces.close()
        #expect(try turns("main") == ["main 1", "sub 1", "deep 1", "deep 2", "deeper 1", "sub 2"])
        #expect(try contents(path + "/.sessions/deep") == Array("main\n".utf8))
        #expect(try traces.rollouts(limit: 10) == ["main"])
    }

    @Test("What a session was first stays: a root does not become a sub-agent")
    func rootsStay() async throws {
        var traces = try open()
        // The sub-agent is seen before its parent, which turns out to be a sub-agent, too.
        #expect(try await traces.turn(in: SessionPlace(session: "sub", parent: "middle")) == 1)
        #expect(try await traces.turn(in: SessionPlace(session: "middle", parent: "top")) == 1)
        traces.close()
        traces = try open()
        #expect(try await traces.turn(in: SessionPlace(session: "middle", parent: "top")) == 2)
        traces.close()
        #expect(try turns("middle") == ["sub 1", "middle 1", "middle 2"])
    }

    @Test(
        "A note of a root counts only if it is whole and the root has a trace",
        arguments: ["", "ma", "gone\n", "../x\n"])
    func damagedNotes(note: String) async throws {
        try FileManager.default.createDirectory(atPath: path + "/.sessions", withIntermediateDirectories: true)
        try write(Array(note.utf8), to: path + "/.sessions/sub")
        let traces = try open()
        #expect(try await traces.turn(in: SessionPlace(session: "sub", parent: "main")) == 1)
        traces.close()
        #expect(try turns("main") == ["sub 1"])
        #expect(try contents(path + "/.sessions/sub") == Array("main\n".utf8))
    }

    // MARK: One writer

    @Test("One proxy at a time writes to a folder")
    func lock() async throws {
        let traces = try open()
        let error = #expect(throws: TraceError.self) { try open() }
        #expect(error?.code == .locked && error?.message.contains(path + "/'") == true)
        // The lock protects nothing once its file is gone: it is taken again, unless another proxy was faster.
        try FileManager.default.removeItem(atPath: path + "/.lock")
        let other = try open()
        traces.tick()
        #expect(traces.refusal?.contains("another proxy") == true)
        #expect(traces.refusal?.contains(path) == false, "agents must not see paths")
        let refused = await traces.prepared(SessionPlace(rollout: "a"))
        #expect(refused?.code == .locked)
        other.close()
        traces.tick()
        #expect(traces.refusal == nil)
        #expect(try await traces.turn(in: SessionPlace(rollout: "a")) == 1)
        traces.close()
        try open().close()
    }

    @Test("A folder that cannot be one is named", arguments: ["file", "file/below"])
    func notAFolder(name: String) throws {
        try write([], to: folder.path("file"))
        let error = #expect(throws: TraceError.self) {
            _ = try TraceFolder(path: folder.path(name) + "/", fileSystem: faults.system, log: log) { _ in }
        }
        #expect(error?.code == .cannotOpen && error?.message.contains("a file is in the way") == true)
    }

    // MARK: Bounds

    @Test("With three files open at most, many rollouts are written at once")
    func fewOpenFiles() async throws {
        let traces = try open { $0.maximumOpenFiles = 3 }
        for turn in 1...4 {
            for rollout in 0..<40 {
                #expect(try await traces.turn(in: SessionPlace(rollout: "r\(rollout)")) == turn)
                await traces.settle()
                #expect(traces.openFiles.count <= 3)
            }
        }
        #expect(OpenDescriptors.count(in: path) <= 4, "three traces and the lock")
        traces.close()
        #expect(OpenDescriptors.count(in: path) == 0)
        for rollout in 0..<40 { #expect(try turns("r\(rollout)") == (1...4).map { "r\(rollout) \($0)" }) }
        #expect(log.events.isEmpty)
    }

    @Test("The file of an unused rollout is closed, and read again only if it was changed")
    func rest() async throws {
        let traces = try open()
        let place = SessionPlace(rollout: "a")
        #expect(try await traces.turn(in: place) == 1)
        await traces.idle()
        #expect(traces.openFiles.count == 0 && !traces.isReady(rollout: "a"))
        #expect(try await traces.turn(in: place) == 2)

        // A turn that is running keeps its rollout ready.
        guard case .turn(3) = traces.nextTurn(inSession: "a", of: "a") else {
            Issue.record("not ready")
            return
        }
        await traces.idle()
        #expect(traces.isReady(rollout: "a"))
        await traces.keep(.sample(turn: 3, session: "a"))
        await traces.idle()

        // Another program appends.
        try write(
            contents(path + "/a.jsonl") + TurnRecordEncoder.encode(.sample(turn: 9, session: "a")),
            to: path + "/a.jsonl")
        #expect(try await traces.turn(in: place) == 10)
        await traces.idle()

        // It is taken away: the rollout begins anew, as after a restart.
        try FileManager.default.moveItem(atPath: path + "/a.jsonl", toPath: folder.path("kept.jsonl"))
        #expect(try await traces.turn(in: place) == 1)
        traces.close()
        #expect(try turns("a") == ["a 1"])
        #expect(try records(folder.path("kept.jsonl")).count == 5)
    }

    @Test("Unused rollouts leave the memory, however many there were")
    func memory() async throws {
        let traces = try open { $0.maximumRollouts = 8 }
        for turn in 1...3 {
            for rollout in 0..<60 {
                #expect(try await traces.turn(in: SessionPlace(rollout: "\(rollout)")) == turn)
                for _ in 0..<3 { traces.tick() }
                #expect(traces.table.withLock { $0.count } <= 10)
            }
        }
        traces.close()
        for rollout in 0..<60 { #expect(try turns("\(rollout)").count == 3) }
    }

    @Test("Two thousand rollouts from several threads: each record is in its file, in order")
    func manyRollouts() async throws {
        let traces = try open {
            $0.maximumOpenFiles = 64
            $0.maximumRollouts = 300
        }
        let wrong = Counter()
        await withTaskGroup { group in
            for worker in 0..<8 {
                group.addTask {
                    for rollout in stride(from: worker, to: 2000, by: 8) {
                        for turn in 1...3 {
                            let number = try? await traces.turn(in: SessionPlace(rollout: "r\(rollout)"))
                            if number != turn { wrong.increment() }
                        }
                        if rollout % 400 == worker { traces.tick() }
                    }
                }
            }
        }
        await traces.settle()
        #expect(wrong.count == 0 && traces.openFiles.count <= 64)
        #expect(traces.statistics == TraceStatistics.recorded(6000))
        traces.close()
        #expect(try traces.rollouts(limit: 5000).count == 2000)
        for rollout in 0..<2000 { #expect(try turns("r\(rollout)") == (1...3).map { "r\(rollout) \($0)" }) }
    }

    @Test("Records that wait are limited over all rollouts together")
    func pendingBytes() async throws {
        let entered = AsyncStream.makeStream(of: Void.self)
        let release = DispatchSemaphore(value: 0)
        faults.onWrite { number, _ in
            if number == 1 {
                entered.continuation.finish()
                release.wait()
            }
            return nil
        }
        let traces = try open { $0.recorder.maximumPendingBytes = 1500 }
        traces.record([RecordSubmission(SharedRecord(.sample(session: "a"))) { _ in }])
        for await _ in entered.stream {}
        traces.record([RecordSubmission(SharedRecord(.sample(session: "b"))) { _ in }])
        #expect(traces.refusal?.contains("too many records wait") == true)
        release.signal()
        for rollout in ["a", "b"] { #expect(await traces.flushed(rollout) == nil) }
        #expect(traces.refusal == nil)
        traces.close()
    }

    // MARK: Failures

    @Test("While the disk is full all rollouts are refused, and no record is lost")
    func diskFull() async throws {
        let isFull = Flag()
        faults.onWrite { _, _ in isFull.isOn ? .error(.noSpace) : nil }
        let traces = try open()
        for rollout in 0..<10 { #expect(try await traces.turn(in: SessionPlace(rollout: "\(rollout)")) == 1) }
        isFull.set(true)
        for rollout in 0..<10 {
            let error = await traces.keep(.sample(turn: 2, session: "\(rollout)"))
            #expect(error?.systemError == .noSpace)
        }
        #expect(traces.refusal == "the trace cannot be written: No space left on device")
        #expect(await traces.flushed("3")?.systemError == .noSpace)
        isFull.set(false)
        while traces.refusal != nil { await Task.yield() }
        for rollout in 0..<10 { #expect(await traces.flushed("\(rollout)") == nil) }
        var expected = TraceStatistics.recorded(20)
        expected.failed = 10
        #expect(traces.statistics == expected)
        traces.close()
        for rollout in 0..<10 { #expect(try turns("\(rollout)") == ["\(rollout) 1", "\(rollout) 2"]) }
        let reported = log.messages.filter { $0.contains("cannot write") }
        #expect(reported.count == 3, "not one for each file")
        #expect(log.messages.last == "the trace can be written again")
    }

    @Test("A file that cannot be written concerns its rollout only")
    func oneBadFile() async throws {
        try FileManager.default.createDirectory(atPath: path + "/folder.jsonl", withIntermediateDirectories: true)
        faults.onWrite { number, _ in number == 1 ? .error(SystemError(EFBIG)) : nil }
        let traces = try open { $0.recorder.retryInterval = .seconds(3600) }
        #expect(await traces.prepared(SessionPlace(rollout: "folder"))?.systemError == .isDirectory)
        #expect(await traces.prepared(SessionPlace(rollout: "large")) == nil)
        #expect(await traces.keep(.sample(session: "large"))?.systemError == SystemError(EFBIG))
        #expect(traces.refusal(of: "large") == "the trace cannot be written: File too large")
        #expect(traces.refusal == nil && traces.refusal(of: "fine") == nil)
        #expect(try await traces.turn(in: SessionPlace(rollout: "fine")) == 1)
        #expect(await traces.reopened() == nil, "the obstacle is gone")
        #expect(traces.refusal(of: "large") == nil)
        traces.close()
        #expect(try turns("large") == ["large 1"] && turns("fine") == ["fine 1"])
    }

    @Test("What cannot be written at the end is lost, and counted once for all files")
    func lost() async throws {
        faults.onWrite { _, _ in .error(.noSpace) }
        let traces = try open { $0.recorder.retryInterval = .seconds(3600) }
        for rollout in ["a", "b"] { await traces.keep(.sample(session: rollout)) }
        traces.close()
        #expect(traces.statistics.lost == 2 && traces.statistics.pending == 0)
        let lost = log.events.filter { $0.message.description.contains("lost") }
        #expect(lost.map { $0.metadata[0].value } == ["2"])
    }

    @Test("A file may be renamed or deleted while its rollout runs")
    func renamed() async throws {
        let traces = try open()
        let place = SessionPlace(rollout: "a")
        #expect(try await traces.turn(in: place) == 1)
        try FileManager.default.moveItem(atPath: path + "/a.jsonl", toPath: path + "/a.jsonl.old")
        #expect(try await traces.turn(in: place) == 2)
        try FileManager.default.removeItem(atPath: path + "/a.jsonl")
        #expect(try await traces.turn(in: place) == 3)
        // A rollout that has ended does not get a new file.
        try FileManager.default.removeItem(atPath: path + "/a.jsonl")
        #expect(await traces.reopened() == nil)
        #expect(traces.openFiles.count == 0 && OpenFile.status(at: path + "/a.jsonl") == nil)
        #expect(try await traces.turn(in: place) == 4)
        // Even the whole folder.
        try FileManager.default.moveItem(atPath: path, toPath: folder.path("moved"))
        #expect(try await traces.turn(in: place) == 5)
        traces.tick()
        #expect(traces.refusal == nil)
        #expect(throws: TraceError.self) { try open() }
        traces.close()
        #expect(try turns("a") == ["a 5"])
        #expect(try records(folder.path("moved/a.jsonl")).map { $0["turn"] as? Int } == [4])
        #expect(try records(folder.path("moved/a.jsonl.old")).map { $0["turn"] as? Int } == [1])
    }

    // MARK: Sync

    @Test("Records of a rollout that arrive during a sync share the next one")
    func groupCommit() async throws {
        let entered = AsyncStream.makeStream(of: Void.self)
        let release = DispatchSemaphore(value: 0)
        faults.state.withLock {
            $0.onSync = { number in
                guard number == 1 else { return }
                entered.continuation.finish()
                release.wait()
            }
        }
        let traces = try open { $0.recorder.sync = .disk }
        let kept = Counter()
        func submit(_ turn: Int) {
            traces.record([RecordSubmission(SharedRecord(.sample(turn: turn, session: "a"))) { _ in kept.increment() }])
        }
        submit(1)
        for await _ in entered.stream {}
        for turn in 2...40 { submit(turn) }
        #expect(kept.count == 0)
        release.signal()
        #expect(await traces.flushed("a") == nil)
        #expect(kept.count == 40 && faults.state.withLock { $0.syncs } == 2)
        traces.close()
        #expect(try turns("a") == (1...40).map { "a \($0)" })
    }

    // MARK: The rollouts as a whole

    @Test("Rollouts are listed in order and in pages, without opening a file")
    func listing() async throws {
        let traces = try open()
        for name in ["c", "a", ".x", "b.session", "b"] {
            #expect(try await traces.turn(in: SessionPlace(rollout: name)) == 1)
        }
        try write([], to: path + "/b.session.json")
        try write([], to: path + "/a.jsonl.torn-1")
        #expect(try traces.rollouts(limit: 10) == [".x", "a", "b", "b.session", "c"])
        #expect(try traces.rollouts(after: "a", limit: 2) == ["b", "b.session"])
        #expect(try traces.rollouts(after: "c", limit: 2) == [])
        #expect(traces.path(of: "a") == path + "/a.jsonl")
        traces.close()
    }

    @Test("A removed rollout leaves nothing behind, and begins anew", arguments: [true, false])
    func removal(isInMemory: Bool) async throws {
        var traces = try open()
        #expect(try await traces.turn(in: SessionPlace(rollout: "other")) == 1)
        for turn in 1...2 { #expect(try await traces.turn(in: SessionPlace(session: "a")) == turn) }
        #expect(try await traces.turn(in: SessionPlace(session: "sub", parent: "a")) == 1)
        try write([], to: path + "/a.jsonl.torn-1")
        if !isInMemory {
            traces.close()
            traces = try open()
        }
        #expect(await traces.removed("a") == nil)
        let names = try FileManager.default.subpathsOfDirectory(atPath: path)
        #expect(Set(names) == [".lock", ".sessions", "other.jsonl"])
        #expect(await traces.removed("a") == nil, "it is gone already")
        #expect(try await traces.turn(in: SessionPlace(session: "a")) == 1)
        #expect(try await traces.turn(in: SessionPlace(session: "sub")) == 1, "it is nobody's descendant now")
        traces.close()
        #expect(try turns("a") == ["a 1"] && turns("sub") == ["sub 1"])
    }

    @Test("A turn that runs while its rollout is removed is not kept")
    func removalOfRunningTurns() async throws {
        let traces = try open()
        #expect(await traces.prepared(SessionPlace(rollout: "a")) == nil)
        #expect(traces.nextTurn(inSession: "a", of: "a") == .turn(1))
        #expect(traces.nextTurn(inSession: "a", of: "a") == .turn(2))
        #expect(await traces.removed("a") == nil)
        #expect(await traces.prepared(SessionPlace(rollout: "a"))?.code == .removed)
        for turn in 1...2 { #expect(await traces.keep(.sample(turn: turn, session: "a"))?.code == .removed) }
        #expect(!FileManager.default.fileExists(atPath: path + "/a.jsonl"))
        #expect(try await traces.turn(in: SessionPlace(rollout: "a")) == 1)
        traces.close()
    }

    @Test("Nothing is prepared or kept after the end")
    func closed() async throws {
        let traces = try open()
        #expect(try await traces.turn(in: SessionPlace(rollout: "a")) == 1)
        traces.close()
        #expect(traces.refusal == "the trace is closed")
        #expect(await traces.prepared(SessionPlace(rollout: "a"))?.code == .closed)
        #expect(await traces.keep(.sample(turn: 2, session: "a"))?.code == .closed)
        #expect(try turns("a") == ["a 1"])
    }
}
