import Foundation
import Synchronization
import TestSupport
import Testing
import VerbatimPlatform
import VerbatimTesting

@testable import VerbatimSessions

/// Traces that the tests write themselves.
private final class FileTraces: RolloutTraces {
    let folder: String
    private let failure = Mutex<String?>(nil)

    init(_ folder: String) { self.folder = folder }

    func path(of rollout: String) -> String { "\(folder)/\(rollout).jsonl" }

    func flush(rollout: String, whenDone: @escaping @Sendable (String?) -> Void) {
        whenDone(failure.withLock { $0 })
    }

    func remove(rollout: String) throws(SystemError) { try FilePath.remove(path(of: rollout)) }

    func fail(_ reason: String?) { failure.withLock { $0 = reason } }

    func append(turn: Int, to rollout: String, session: String? = nil, tokens: Int = 5) {
        let line =
            #"{"turn":\#(turn),"session_id":"\#(session ?? rollout)","outcome":"completed","timestamp":\#(turn),"#
            + #""usage":{"prompt_tokens":10,"completion_tokens":\#(tokens)},"capture":{"level":"tokens","#
            + #""complete":true,"problems":[]}}"# + "\n"
        let old = FileManager.default.contents(atPath: path(of: rollout)) ?? Data()
        _ = FileManager.default.createFile(atPath: path(of: rollout), contents: old + Data(line.utf8))
    }
}

extension SessionStore {
    private func result<Value: Sendable>(
        _ body: (@escaping @Sendable (Result<Value, SessionsError>) -> Void) -> Void
    ) async throws -> Value {
        try await withCheckedContinuation { continuation in
            body { continuation.resume(returning: $0) }
        }.get()
    }

    fileprivate func open(_ body: String) async throws -> Opened {
        try await result { open(Array(body.utf8), whenDone: $0) }
    }

    fileprivate func show(_ id: String) async throws -> Rollout { try await result { rollout(id, whenDone: $0) } }

    fileprivate func annotate(_ id: String, _ body: String) async throws -> Rollout {
        try await result { annotate(id, Array(body.utf8), whenDone: $0) }
    }

    fileprivate func seal(_ id: String, aborts: Bool = false, wait: Double = 600) async throws -> Snapshot {
        try await result { seal(id, aborts: aborts, wait: wait, whenDone: $0) }
    }

    fileprivate func delete(_ id: String, snapshot: String? = nil, isForced: Bool = false) async throws {
        try await result { delete(id, snapshot: snapshot, isForced: isForced, whenDone: $0) }
    }

    fileprivate func list(_ state: String? = nil, after: String? = nil, limit: Int = 100) async throws -> [String] {
        try await result { list(state: state, after: after, limit: limit, whenDone: $0) }.map(\.id)
    }

    fileprivate func prepare(_ id: String) async throws {
        let error: SessionsError? = await withCheckedContinuation { continuation in
            prepare(id) { continuation.resume(returning: $0) }
        }
        if let error { throw error }
    }

    /// Plays a turn that leaves a record in the trace.
    fileprivate func play(_ turn: Int, of id: String, in traces: FileTraces) -> Bool {
        let (admission, ticket) = begin(in: id) {}
        guard case .admitted = admission else { return false }
        traces.append(turn: turn, to: id)
        end(ticket, in: id, use: turnUse(id, at: Double(turn)))
        return true
    }
}

private func code(_ body: () async throws -> Void) async -> String? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? SessionsError)?.code
    }
}

@Suite("The store of rollouts", .timeLimit(.minutes(10)))
struct SessionStoreTests {
    private let folder: TemporaryFolder
    private let traces: FileTraces
    private let store: SessionStore

    init() throws {
        folder = try TemporaryFolder()
        traces = FileTraces(folder.path)
        store = SessionStore(folder: folder.path, traces: traces, sync: false)
    }

    /// What a proxy knows that is started anew on the folder, after a crash for instance.
    private var restarted: SessionStore { SessionStore(folder: folder.path, traces: traces, sync: false) }

    @Test("A rollout is opened once: the same request has the same answer without a key, another is refused")
    func opening() async throws {
        let body = #"{"session_id":"r","metadata":{"task":7}}"#
        let opened = try await store.open(body)
        let key = try #require(opened.key)
        for store in [store, restarted] {
            #expect(try await store.open(body).key == nil)
            #expect(await code { _ = try await store.open(#"{"session_id":"r"}"#) } == "session_exists")
            #expect(store.rollout(ofKey: key[...]) == "r")
            #expect(store.rollout(ofKey: RolloutKey.mint(for: "r")[...]) == nil)
            #expect(store.rollout(ofKey: RolloutKey.mint(for: "other")[...]) == nil)
            #expect(store.rollout(ofKey: RolloutKey.mint(for: "../r")[...]) == nil)
        }
        #expect(try await store.open("{}").rollout.id != store.open("{}").rollout.id)
        #expect(await code { _ = try await store.open(#"{"session_id":"a/b"}"#) } == "invalid_request")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        for file in files {
            let text = try String(contentsOfFile: folder.path(file), encoding: .utf8)
            #expect(!text.contains(key), "the key itself is in a file")
        }
    }

    @Test("A rollout that only has a trace exists, too")
    func foundTraces() async throws {
        traces.append(turn: 1, to: "t")
        #expect(try await store.show("t").use.turns == 1)
        #expect(await code { _ = try await store.show("u") } == "session_not_found")
        #expect(await code { _ = try await store.show("../t") } == "session_not_found")
        #expect(await code { _ = try await store.open(#"{"session_id":"t"}"#) } == "session_exists")
    }

    @Test("After a restart everything is as it was acknowledged")
    func restart() async throws {
        _ = try await store.open(#"{"session_id":"r","budgets":{"calls":3}}"#)
        #expect(store.play(1, of: "r", in: traces) && store.play(2, of: "r", in: traces))
        _ = try await store.annotate("r", #"{"reward":0.25}"#)
        let before = try await store.show("r")
        let after = try await restarted.show("r")
        #expect(after.use.turns == 2 && before.use.turns == 2 && after.use.totalTokens == before.use.totalTokens)
        #expect(after.annotations == before.annotations && after.use.sessions == before.use.sessions)
        let other = restarted
        try await other.prepare("r")
        #expect(other.play(3, of: "r", in: traces))
        #expect(other.begin(in: "r") {}.admission == .budget(Budgets.Excess(limit: "calls", mode: .stop)))
    }

    @Test("A seal waits for running turns, and has one snapshot")
    func sealing() async throws {
        _ = try await store.open(#"{"session_id":"r"}"#)
        #expect(store.play(1, of: "r", in: traces))
        let (_, ticket) = store.begin(in: "r") {}
        async let first = store.seal("r")
        async let second = store.seal("r", aborts: true)
        // The running turn keeps both waiting; it is told to end.
        traces.append(turn: 2, to: "r")
        store.end(ticket, in: "r", use: turnUse("r"))
        let (one, two) = try await (first, second)
        let file = try #require(FileManager.default.contents(atPath: traces.path(of: "r")))
        #expect(one == two && one.bytes == file.count && one.turns == 2 && one.tokens == 10)
        #expect(store.begin(in: "r") {}.admission == .late)
        #expect(try await store.seal("r") == one)
        #expect(try await restarted.seal("r") == one)
        #expect(try await store.list("late") == ["r"])
    }

    @Test("A seal that aborts ends running turns")
    func aborting() async throws {
        _ = try await store.open(#"{"session_id":"r"}"#)
        let cancelled = Monitor(0)
        let (_, ticket) = store.begin(in: "r") { cancelled.update { $0 += 1 } }
        async let snapshot = store.seal("r", aborts: true)
        await cancelled.wait { $0 == 1 }
        store.end(ticket, in: "r", use: nil)
        #expect(try await snapshot.turns == 0)
    }

    @Test("A seal that cannot wait any longer leaves the rollout open")
    func timeout() async throws {
        _ = try await store.open(#"{"session_id":"r"}"#)
        let (_, ticket) = store.begin(in: "r") {}
        #expect(await code { _ = try await store.seal("r", wait: 0) } == "turns_running")
        store.end(ticket, in: "r", use: nil)
        #expect(store.play(1, of: "r", in: traces))
    }

    @Test("A rollout whose records cannot be written is not sealed")
    func unwritten() async throws {
        _ = try await store.open(#"{"session_id":"r"}"#)
        traces.fail("disk full")
        #expect(await code { _ = try await store.seal("r") } == "storage_unavailable")
        traces.fail(nil)
        #expect(store.play(1, of: "r", in: traces))
        #expect(try await store.seal("r").turns == 1)
    }

    @Test("A rollout is deleted once, and only as it was read")
    func deletion() async throws {
        _ = try await store.open(#"{"session_id":"r"}"#)
        #expect(store.play(1, of: "r", in: traces))
        #expect(await code { try await store.delete("r", snapshot: "x") } == "snapshot_mismatch")
        let snapshot = try await store.seal("r")
        #expect(await code { try await store.delete("r", snapshot: "x") } == "snapshot_mismatch")
        #expect(await code { try await store.delete("r") } == "invalid_request")
        try await store.delete("r", snapshot: snapshot.id)
        #expect(await code { try await store.delete("r", snapshot: snapshot.id) } == "session_not_found")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
        #expect(try await store.open(#"{"session_id":"r"}"#).key != nil)
    }

    @Test("A deletion that a crash interrupted is completed")
    func interruptedDeletion() async throws {
        _ = try await store.open(#"{"session_id":"r"}"#)
        #expect(store.play(1, of: "r", in: traces))
        var rollout = try await store.show("r")
        try rollout.startDeleting(snapshot: nil, isForced: true)
        try FilePath.replaceFile(
            at: folder.path("r" + SessionFile.suffix), with: SessionFile.encode(rollout), sync: false)
        let other = restarted
        #expect(try await other.list() == [])
        #expect(await code { _ = try await other.show("r") } == "session_not_found")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
    }

    @Test("Pages of the list follow each other")
    func pages() async throws {
        for number in 10..<35 { _ = try await store.open(#"{"session_id":"s\#(number)"}"#) }
        var found: [String] = []
        while true {
            let page = try await store.list(after: found.last, limit: 7)
            found += page
            if page.count < 7 { break }
        }
        #expect(found == (10..<35).map { "s\($0)" })
        _ = try await store.seal("s20")
        #expect(try await restarted.list("sealed") == ["s20"])
    }

    @Test("A damaged file is named, and harms no other rollout")
    func damage() async throws {
        _ = FileManager.default.createFile(atPath: folder.path("bad.session.json"), contents: Data("{".utf8))
        #expect(await code { _ = try await store.show("bad") } == "storage_unavailable")
        #expect(try await store.open(#"{"session_id":"good"}"#).key != nil)
    }

    @Test("Who watches a rollout learns of each change")
    func watching() async throws {
        _ = try await store.open(#"{"session_id":"r"}"#)
        let changes = Monitor(0)
        func watch() { store.watch("r") { changes.update { $0 += 1 } } }
        watch()
        _ = store.play(1, of: "r", in: traces)
        await changes.wait { $0 == 1 }
        watch()
        _ = try await store.annotate("r", #"{"reward":1}"#)
        await changes.wait { $0 == 2 }
        watch()
        _ = try await store.seal("r")
        await changes.wait { $0 == 3 }
        store.watch("unknown") { changes.update { $0 += 1 } }
        await changes.wait { $0 == 4 }
    }
}
