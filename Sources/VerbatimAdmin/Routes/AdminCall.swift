import NIOHTTP1
import VerbatimHTTP
import VerbatimPlatform

/// A request of the admin listener, by its method, path and query.
enum AdminCall: Equatable {
    case open
    case list(state: String?, after: String?, limit: Int)
    case show(String)
    case turns(TurnsQuery)
    case annotate(String)
    case seal(String)
    case delete(String, snapshot: String?, isForced: Bool)
    case deleteBatch
    case health
    case version

    private static let states = ["open", "sealed", "late"]

    init(_ method: HTTPMethod, _ target: RequestTarget) throws(ErrorResponse) {
        let parts = target.path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map {
            String(decoding: PercentEncoding.decoded(Array($0.utf8)), as: UTF8.self)
        }
        func query(_ names: String...) throws(ErrorResponse) -> QueryFields {
            try QueryFields(target.query, allowing: Set(names))
        }
        func require(_ wanted: HTTPMethod) throws(ErrorResponse) {
            guard method == wanted || (method == .HEAD && wanted == .GET) else { throw .methodNotAllowed }
        }
        switch (parts.count, parts.first, parts.last) {
        case (1, "healthz", _):
            try require(.GET)
            self = .health
        case (1, "version", _):
            try require(.GET)
            self = .version
        case (1, "sessions", _) where method == .POST:
            _ = try query()
            self = .open
        case (1, "sessions", _):
            try require(.GET)
            let fields = try query("state", "after", "limit")
            let state = fields.text("state")
            guard state.map(Self.states.contains) ?? true else {
                throw .badRequest("'state' must be one of: \(Self.states.joined(separator: ", "))")
            }
            self = .list(
                state: state, after: fields.text("after"), limit: try fields.count("limit", in: 1...1000) ?? 100)
        case (2, "sessions", "batch_delete") where method == .POST:
            _ = try query()
            self = .deleteBatch
        case (2, "sessions", _) where method == .DELETE:
            let fields = try query("snapshot_id", "force")
            self = .delete(parts[1], snapshot: fields.text("snapshot_id"), isForced: try fields.flag("force"))
        case (2, "sessions", _):
            try require(.GET)
            _ = try query()
            self = .show(parts[1])
        case (3, "sessions", "turns"):
            try require(.GET)
            self = .turns(try TurnsQuery(rollout: parts[1], query("after", "limit", "wait_s", "session")))
        case (3, "sessions", "annotations"):
            try require(.POST)
            _ = try query()
            self = .annotate(parts[1])
        case (3, "sessions", "seal"):
            try require(.POST)
            _ = try query()
            self = .seal(parts[1])
        default: throw .routeNotFound
        }
    }
}

/// What a trainer wants to read of a rollout's turns.
struct TurnsQuery: Equatable, Sendable {
    /// Longest wait, in seconds.
    static let longestWait: Double = 300

    let rollout: String
    /// The offset in the trace behind the last line that was read.
    let after: Int
    let limit: Int
    let wait: Double
    /// The only session to read; nil for all of the rollout.
    let session: String?

    init(rollout: String, _ fields: QueryFields) throws(ErrorResponse) {
        self.rollout = rollout
        after = try fields.count("after", in: 0...(1 << 53)) ?? 0
        limit = try fields.count("limit", in: 1...10_000) ?? 1000
        wait = try fields.seconds("wait_s", most: Self.longestWait) ?? 0
        session = fields.text("session")
    }
}
