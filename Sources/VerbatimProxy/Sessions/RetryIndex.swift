import NIOHTTP1
import Synchronization

/// Finds the turn that a repeated request repeats. Shared by all event loops; asked once per turn.
///
/// SDKs repeat a failed request with the same body and a retry count. The index holds digests of at least the last
/// ``capacity`` / 2 requests and at most ``capacity``. It is empty after a restart.
final class RetryIndex: Sendable {
    /// The header in which the SDKs of OpenAI and Anthropic count a request's repetitions: 0, 1, …
    static let countHeader = "x-stainless-retry-count"

    /// Takes a few megabytes.
    static let defaultCapacity = 16_384

    /// A body's length and a hash whose key is random in each process.
    struct BodyDigest: Hashable, Sendable {
        private let length: Int
        private let hash: UInt64

        /// Hashes word by word, because every turn's body is hashed: `Hasher` takes eight times as long.
        init(_ body: [UInt8]) {
            length = body.count
            var hash = Self.key
            body.withUnsafeBytes { bytes in
                var index = 0
                while index <= bytes.count - 8 {
                    Self.mix(bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self), into: &hash)
                    index += 8
                }
                Self.mix(bytes[index...].reduce(0) { $0 << 8 | UInt64($1) }, into: &hash)
            }
            self.hash = hash
        }

        private static let key = UInt64.random(in: .min ... .max)

        @inline(__always)
        private static func mix(_ word: UInt64, into hash: inout UInt64) {
            let product = (hash ^ word).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
            hash = product.high ^ product.low
        }
    }

    private struct Request: Hashable {
        let session: String
        let body: BodyDigest
    }

    /// The older half is dropped as a whole once the younger one is full.
    private struct Memory {
        var young: [Request: Int] = [:]
        var old: [Request: Int] = [:]
    }

    let capacity: Int
    private let memory = Mutex(Memory())

    init(capacity: Int = defaultCapacity) { self.capacity = capacity }

    /// Adds a turn. Returns the first attempt at it if it repeats a request that is in the index.
    ///
    /// - Parameter headers: The request's. It is a repetition if its retry count is above 0.
    func firstAttempt(
        ofTurn turn: Int, inSession session: String, body: BodyDigest, headers: HTTPHeaders
    ) -> Int? {
        let request = Request(session: session, body: body)
        let isRepetition = headers.first(name: Self.countHeader).flatMap { Int($0) } ?? 0 > 0
        return memory.withLock { memory in
            let known = isRepetition ? memory.young[request] ?? memory.old[request] : nil
            if memory.young.count >= capacity / 2, memory.young[request] == nil {
                memory.old = memory.young
                memory.young = [:]
            }
            memory.young[request] = known ?? turn
            return known
        }
    }
}
