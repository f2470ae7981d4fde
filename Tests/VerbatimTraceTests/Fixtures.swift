import Foundation
import TestSupport
import VerbatimJSON
import Synchronization
import Testing
import VerbatimPlatform
import VerbatimSchema

@testable import VerbatimTrace

extension TurnRecord {
    /// A record with a value in every field.
    static func sample(
        turn: Int = 1,
        session: String = "default",
        request: String = #"{"model":"m","messages":[]}"#
    ) -> TurnRecord {
        var tokens = JSONList()
        tokens.append(Array(#""Hel""#.utf8))
        tokens.append(Array(#""lo""#.utf8))
        var ids = JSONList()
        ids.append(9906)
        ids.append(385)
        var values = JSONList()
        values.append(Array("-1.0".utf8))
        values.appendNull()
        var entries = JSONList()
        entries.append(Array(#"{"token":"Hel","logprob":-1.0}"#.utf8))
        entries.append(Array(#"{"token":"lo","logprob":null}"#.utf8))
        return TurnRecord(
            turn: turn,
            sessionID: session,
            dialect: "chat.completions",
            path: "/v1/chat/completions",
            isStream: true,
            engine: "vllm",
            outcome: .completed,
            status: 200,
            isHeadSent: true,
            request: EditedText(Array(request.utf8)),
            response: JSONText(Array(#"{"choices":[{"message":{"content":"Hello"}}]}"#.utf8)),
            choices: [
                ChoiceRecord(
                    logprobs: entries,
                    tokens: tokens,
                    tokenIDs: ids,
                    logprobValues: values,
                    finishReason: Array(#""stop""#.utf8)
                )
            ],
            promptTokenIDs: Array("[1,2,3]".utf8),
            usage: Array(#"{"prompt_tokens":3,"completion_tokens":2}"#.utf8),
            model: Array(#""m""#.utf8),
            responseID: Array(#""chatcmpl-1""#.utf8),
            clientFields: [
                ClientField(name: "logprobs", value: nil), ClientField(name: "top_logprobs", value: Array("null".utf8)),
            ],
            level: .tokens,
            isComplete: true,
            timestamp: 1_750_000_000.25,
            latency: 1.5,
            timeToFirstToken: 0.25
        )
    }
}

/// The events that were logged.
final class Log: Sendable {
    private let stored = Mutex<[TraceEvent]>([])
    var events: [TraceEvent] { stored.withLock { $0 } }
    var messages: [String] { events.map { "\($0.message)" } }
    func append(_ event: TraceEvent) { stored.withLock { $0.append(event) } }
}

/// A file system whose calls can be made to fail. A sync does not wait for the disk.
final class FaultyFileSystem: Sendable {
    struct State {
        var writes: [Int] = []
        var truncations = 0
        var syncs = 0
        /// Returns the fault of the next write, or nil for none.
        var onWrite: @Sendable (_ number: Int, _ count: Int) -> Fault? = { _, _ in nil }
        var failsTruncation = false
        var failsSync = false
        /// Called before each sync, with its number.
        var onSync: @Sendable (_ number: Int) -> Void = { _ in }
    }

    enum Fault {
        case error(SystemError)
        /// Only this many bytes are written.
        case short(Int)
    }

    let state = Mutex(State())

    var writes: [Int] { state.withLock { $0.writes } }

    func onWrite(_ body: @escaping @Sendable (_ number: Int, _ count: Int) -> Fault?) {
        state.withLock { $0.onWrite = body }
    }

    var system: TraceFileSystem {
        let real = TraceFileSystem.system
        return TraceFileSystem(
            write: { [self] (descriptor, bytes) throws(SystemError) in
                let fault = state.withLock { state in
                    state.writes.append(bytes.count)
                    return state.onWrite(state.writes.count, bytes.count)
                }
                switch fault {
                case .error(let error): throw error
                case .short(let count):
                    return try real.write(descriptor, UnsafeRawBufferPointer(rebasing: bytes[..<count]))
                case nil: return try real.write(descriptor, bytes)
                }
            },
            truncate: { [self] (descriptor, length) throws(SystemError) in
                if state.withLock({
                    $0.truncations += 1
                    return $0.failsTruncation
                }) {
                    throw .noSpace
                }
                try real.truncate(descriptor, length)
            },
            sync: { [self] (_) throws(SystemError) in
                let (fails, number, onSync) = state.withLock { state in
                    state.syncs += 1
                    return (state.failsSync, state.syncs, state.onSync)
                }
                onSync(number)
                if fails { throw .noSpace }
            }
        )
    }
}

extension TraceRecorder {
    convenience init(
        path: String,
        sync: Configuration.Sync = .write,
        retryInterval: Duration = .milliseconds(1),
        watchInterval: Duration = .seconds(3600),
        maximumPendingBytes: Int = 256 * 1024 * 1024,
        maximumSessions: Int = 1_000_000,
        fileSystem: TraceFileSystem = .system,
        log: Log = Log()
    ) throws {
        var configuration = Configuration(path: path)
        configuration.sync = sync
        configuration.retryInterval = retryInterval
        configuration.watchInterval = watchInterval
        configuration.maximumPendingBytes = maximumPendingBytes
        configuration.maximumSessions = maximumSessions
        try self.init(configuration, fileSystem: fileSystem) { log.append($0) }
    }

    func record(_ record: TurnRecord, onPersisted: @escaping @Sendable (Result<Void, TraceError>) -> Void) {
        self.record([RecordSubmission(SharedRecord(record), onPersisted: onPersisted)])
    }

    func reopen() { reopen { _ in } }

    /// The number of the session's next turn. There must be one.
    func next(_ session: String) throws -> Int { try #require(nextTurn(inSession: session)) }

    /// Reopens, and returns why records cannot be persisted, or nil.
    func reopened() async -> TraceError? {
        await withCheckedContinuation { continuation in
            reopen { continuation.resume(returning: $0) }
        }
    }

    /// Records, and waits for the first attempt. Returns nil if the record is persisted.
    @discardableResult
    func keep(_ record: TurnRecord) async -> TraceError? {
        await withCheckedContinuation { continuation in
            self.record(record) { result in
                switch result {
                case .success: continuation.resume(returning: nil)
                case .failure(let error): continuation.resume(returning: error)
                }
            }
        }
    }
}

func contents(_ path: String) throws -> [UInt8] {
    try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
}

func write(_ bytes: [UInt8], to path: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
}

/// The records in the file, as Foundation reads them.
func records(_ path: String) throws -> [[String: Any]] {
    try contents(path).lines.map { line in
        guard let record = try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any] else {
            throw CocoaError(.fileReadCorruptFile)
        }
        return record
    }
}

/// A counter for several threads.
final class Counter: Sendable {
    private let value = Atomic(0)
    func increment() { value.add(1, ordering: .relaxed) }
    var count: Int { value.load(ordering: .relaxed) }
}
