public import Logging
import NIOCore
import VerbatimAPI
import VerbatimProxy
import VerbatimTrace

/// Everything that can be set of an ``InterceptionProxy``. Only the upstream URL has no default.
///
/// `docs/configuration.md` lists the flag, the environment variable and the allowed values of each field. They are
/// checked when the proxy starts.
public struct ProxyConfiguration: Sendable {
    // MARK: Engine

    /// Base URL of the engine's API: `http[s]://host[:port][/path][?query]`. The path takes the place of the `/v1` that
    /// the agent calls; without one it is `/v1`. The query is added to every request.
    public var upstreamURL: String
    /// Replaces the agent's own key in the header that carried it: `Authorization: Bearer …`, `x-api-key` or `api-key`.
    /// If the agent sent none, the key goes into `Authorization`, or into `x-api-key` for `/v1/messages`. Default:
    /// none, the agent's own key is forwarded.
    public var upstreamAPIKey: String?
    /// File that holds ``upstreamAPIKey``. Set one of the two. Default: none.
    public var upstreamAPIKeyFile: String?
    /// File of PEM certificates, one of which must have signed the engine's. Default: none, the system's are trusted.
    public var upstreamCA: String?
    /// File of PEM certificates to show an engine that asks for one, the proxy's own first. Needs ``upstreamKey``.
    /// Default: none.
    public var upstreamCertificate: String?
    /// File of that certificate's private key, in PEM form without a pass phrase. Default: none.
    public var upstreamKey: String?
    /// Forward proxy through which the engine is reached (HTTP `CONNECT`): `http://[user:password@]host:port`. Default:
    /// none.
    public var upstreamProxy: String?
    /// Kind of engine. Default: auto.
    public var engine = Engine.auto

    // MARK: Listening

    /// Address to listen on. Default: 127.0.0.1.
    public var host = "127.0.0.1"
    /// Port to listen on, 0 to 65535; 0 picks a free one. Default: 7000.
    public var port = 7000
    /// File of PEM certificates to serve HTTPS with, the proxy's own first. Needs ``tlsKey``. Default: none, plain
    /// HTTP.
    public var tlsCertificate: String?
    /// File of the certificate's private key, in PEM form without a pass phrase. Default: none.
    public var tlsKey: String?
    /// Number of event loops, each a thread. Default: one per core that the process may use.
    public var threads: Int?

    // MARK: Access

    /// Keys of which every agent must send one, as `Authorization: Bearer …`, `x-api-key` or `api-key`. The engine
    /// never receives them. Default: none, every agent is let in.
    public var apiKeys: [APIKey] = []
    /// File of further keys, one per line: `KEY` or `KEY SESSION`. Blank lines and lines that begin with `#` are
    /// skipped. Default: none.
    public var apiKeyFile: String?
    /// Forwards only captured routes and `GET /v1/models`, and refuses the rest with 403: for agents that may try to
    /// avoid capture. Default: off.
    public var onlyCaptured = false

    // MARK: Capture

    /// What is captured of each turn. Default: tokens.
    public var capture = Capture(goal: Defaults.policy.goal)
    /// The least that each turn must give. A turn that would give less is refused before generation if that is known by
    /// then. Otherwise it is recorded as a violation, and the proxy's health is `degraded`. Default: none.
    public var requireCapture: Requirement?
    /// Number of alternatives per token, 0 to 20. Default: 5.
    public var topLogprobs = Defaults.policy.topLogprobs
    /// Repeats a request that the engine failed with 500 once, with nothing injected, at the cost of a second
    /// generation. (vLLM fails so if a log-probability is NaN.) Default: off.
    public var retryServerError = false

    // MARK: Requests

    /// Upper bound of the tokens of each choice: of every field that limits them, and set where a request has none.
    /// Default: none.
    public var maxTokensCap: Int?
    /// Sets `chat_template_kwargs.enable_thinking` to false unless the agent set it. Default: off.
    public var disableThinking = false
    /// Replaces `model` in every request. Default: none.
    public var modelOverride: String?
    /// A JSON object whose fields overwrite the agent's, such as `{"temperature": 1.0}`. Default: none.
    public var sampling: String?

    // MARK: Limits

    /// Largest request body of a captured route, in bytes; 413 beyond it. Default: 64 MiB.
    public var maxBodySize = Defaults.limits.maximumBodySize
    /// Largest reply held in memory, in bytes; beyond it a reply passes through as the engine sends it. Default: 64
    /// MiB.
    public var maxReplySize = Defaults.limits.maximumReplySize
    /// Bytes of request bodies of captured routes held in memory, over all connections; 503 beyond it. Default: 2 GiB.
    public var maxBuffered = Defaults.limits.maximumBuffered
    /// Bytes of memory for records that wait to be written; beyond it new turns are refused with 503. Default: 256 MiB.
    public var maxPending = Defaults.recorder.maximumPendingBytes
    /// Number of agents connected at a time; 503 beyond it. Default: 10000.
    public var maxConnections = Defaults.limits.maximumConnections
    /// Number of sessions that the agent of a key with a session may begin for sub-agents; 403 beyond it. Default:
    /// 1000.
    public var maxSessionsPerKey = Defaults.limits.maximumSessionsPerKey
    /// Largest request line and headers together, in bytes; 431 beyond it. Default: 64 KiB.
    public var maxHeaderSize = Defaults.limits.maximumHeaderSize

    // MARK: Timeouts

    /// Longest time for an exchange with the engine. Default: 600 s.
    public var requestTimeout = Duration(Defaults.limits.requestTimeout)
    /// Longest time to connect to the engine. Default: 10 s.
    public var connectTimeout = Duration(Defaults.limits.connectTimeout)
    /// Longest silence of the engine within an exchange. Default: none.
    public var idleTimeout = Defaults.limits.idleTimeout.map { Duration($0) }
    /// Longest time for the head of a request, from its first byte, or for a connection's first request from the time
    /// of connecting; 408 beyond it. Default: 60 s.
    public var headTimeout = Duration(Defaults.limits.headTimeout)
    /// Longest time for the body of a captured request, from the end of its head; 408 beyond it. Default: 300 s.
    public var bodyTimeout = Duration(Defaults.limits.bodyTimeout)
    /// How long an agent's unused connection is kept open. Default: 600 s.
    public var keepAlive = Duration(Defaults.limits.keepAlive)
    /// How long running turns may go on when the proxy stops. Default: 10 s.
    public var shutdownGrace = Duration.seconds(10)
    /// How long an engine takes to refuse what was injected. Not a setting of the command. Default: 1 s.
    package var refusalTime = Duration(Defaults.limits.refusalTime)
    /// How long an unused connection to the engine is kept open. Not a setting of the command. Default: 4 s.
    package var engineKeepAlive = Duration(Defaults.limits.engineKeepAlive)

    // MARK: Trace

    /// File that turns are appended to, or a folder with a file for each rollout: a path that ends in `/`, or an
    /// existing folder. Missing folders are created. Default: trace.jsonl.
    public var trace = "trace.jsonl"
    /// Where a record has the engine's own log-probability entries. Default: entries.
    public var traceDetail = TraceDetail(detail: Defaults.policy.detail)
    /// What the token lists of a turn hold whose capture is incomplete. Default: keep.
    public var traceIncomplete = TraceIncomplete(lists: Defaults.recorder.incompleteLists)
    /// When a record counts as kept. Default: write.
    public var traceSync = TraceSync(sync: Defaults.recorder.sync)

    // MARK: Log

    /// Receives one line per turn at level `info`, and warnings. Default: silent.
    public var logger = Logger(label: "verbatim") { _ in SwiftLogNoOpLogHandler() }

    /// Most defaults are stated where they are used, and only there. Tests compare the comments above with them.
    private enum Defaults {
        static let limits = ProxyLimits()
        static let policy = RequestPolicy()
        static let recorder = TraceRecorder.Configuration(path: "")
    }

    /// A configuration with the defaults.
    public init(upstreamURL: String) {
        self.upstreamURL = upstreamURL
    }
}
