import Foundation
import Synchronization
import TestSupport
import Testing

@testable import VerbatimTrace

/// A record counts as persisted when it is on the disk (`--trace-sync disk`).
@Suite(.timeLimit(.minutes(5))) struct DiskSyncTests {
    private let folder: TemporaryFolder
    private let faults = FaultyFileSystem()

    init() throws { folder = try TemporaryFolder() }

    /// While one record is being synced, 63 more arrive: they share one write and one sync.
    @Test("Records that arrive during a sync share the next one") func recordsThatComeTogetherAreSyncedTogether()
        async throws
    {
        let entered = AsyncStream.makeStream(of: Void.self)
        let release = DispatchSemaphore(value: 0)
        faults.state.withLock {
            $0.onSync = { number in
                if number == 1 {
                    entered.continuation.finish()
                    release.wait()
                }
            }
        }
        let recorder = try TraceRecorder(path: folder.path("trace"), sync: .disk, fileSystem: faults.system)
        /// How many syncs had started when each turn was reported as persisted.
        let told = Mutex<[Int: Int]>([:])
        let faults = faults
        @Sendable func record(_ turn: Int) {
            recorder.record(.sample(turn: turn)) { result in
                let syncs = faults.state.withLock { $0.syncs }
                if case .success = result { told.withLock { $0[turn] = syncs } }
            }
        }
        record(1)
        for await _ in entered.stream {}
        for turn in 2...64 { record(turn) }
        #expect(told.withLock { $0 } == [:], "written, but not synced yet")
        #expect(faults.writes.count == 1)
        release.signal()
        recorder.close()
        #expect(faults.writes.count == 2)
        #expect(faults.state.withLock { $0.syncs } == 2)
        var expected = Dictionary(uniqueKeysWithValues: (2...64).map { ($0, 2) })
        expected[1] = 1
        #expect(told.withLock { $0 } == expected)
    }
}
