import Foundation
import Synchronization

@testable import VerbatimTrace

extension TraceFolder {
    convenience init(
        path: String, fileSystem: TraceFileSystem = .system, log: Log = Log(),
        _ configure: (inout Configuration) -> Void
    ) throws {
        var recorder = TraceRecorder.Configuration(path: path)
        recorder.retryInterval = .milliseconds(1)
        // Tests call `tick` themselves.
        recorder.watchInterval = .seconds(3600)
        var configuration = Configuration(recorder)
        configure(&configuration)
        try self.init(configuration, fileSystem: fileSystem) { log.append($0) }
    }

    /// Returns why the rollout cannot be prepared, or nil.
    func prepared(_ place: SessionPlace) async -> TraceError? {
        await withCheckedContinuation { continuation in
            prepare(place) { result in
                switch result {
                case .success: continuation.resume(returning: nil)
                case .failure(let error): continuation.resume(returning: error)
                }
            }
        }
    }

    /// Numbers a turn as the proxy does, and keeps its record. Returns its number.
    func turn(in place: SessionPlace) async throws -> Int {
        while true {
            if let rollout = rollout(of: place),
                case .turn(let number) = nextTurn(inSession: place.session, of: rollout)
            {
                var record = TurnRecord.sample(turn: number, session: place.session)
                record.rolloutID = rollout
                if let error = await keep(record) { throw error }
                return number
            }
            if let error = await prepared(place) { throw error }
        }
    }

    /// Records, and waits for the first attempt. Returns nil if the record is persisted.
    @discardableResult
    func keep(_ record: TurnRecord) async -> TraceError? {
        await withCheckedContinuation { continuation in
            self.record([
                RecordSubmission(SharedRecord(record)) { result in
                    switch result {
                    case .success: continuation.resume(returning: nil)
                    case .failure(let error): continuation.resume(returning: error)
                    }
                }
            ])
        }
    }

    func flushed(_ rollout: String) async -> TraceError? {
        await withCheckedContinuation { continuation in
            flush(rollout: rollout) { continuation.resume(returning: $0) }
        }
    }

    func removed(_ rollout: String) async -> TraceError? {
        await withCheckedContinuation { continuation in
            remove(rollout: rollout) { continuation.resume(returning: $0) }
        }
    }

    func reopened() async -> TraceError? {
        await withCheckedContinuation { continuation in
            reopen { continuation.resume(returning: $0) }
        }
    }

    /// Waits until all writers have done what they were asked for.
    func settle() async {
        for recorder in table.withLock({ $0.recorders }) {
            _ = await withCheckedContinuation { continuation in
                recorder.flush { continuation.resume(returning: $0) }
            }
        }
    }

    /// Lets so much time pass that unused rollouts rest.
    func idle() async {
        for _ in 0..<2 { tick() }
        await settle()
    }
}

extension TraceStatistics {
    static func recorded(_ count: Int) -> TraceStatistics {
        var statistics = TraceStatistics()
        statistics.recorded = count
        return statistics
    }
}

/// The files of a folder that this process has open.
enum OpenDescriptors {
    /// 0 where the system does not tell.
    static func count(in folder: String) -> Int {
        let descriptors = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        let resolved = URL(fileURLWithPath: folder).resolvingSymlinksInPath().path
        return descriptors.count {
            let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
            return target?.hasPrefix(resolved + "/") ?? false
        }
    }
}

/// A switch for several threads.
final class Flag: Sendable {
    private let value = Atomic(false)
    var isOn: Bool { value.load(ordering: .relaxed) }
    func set(_ isOn: Bool) { value.store(isOn, ordering: .relaxed) }
}
