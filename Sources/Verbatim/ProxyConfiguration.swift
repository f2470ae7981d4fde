public import Logging

/// Everything that can be set of an ``InterceptionProxy``. Only the upstream URL has no default.
public struct ProxyConfiguration: Sendable {
    /// The engine behind the proxy.
    public enum Engine: String, CaseIterable, Sendable {
        /// Recognised by what it sends: its headers, the shape of its replies, the owner in its list of models.
        case auto
        case vllm
        case sglang
        case llamacpp
        case tensorRTLLM = "tensorrt-llm"
        case dynamo
        case tgi
        case ollama
        case lmstudio
        case openai
        case azure
        case openrouter
        case huggingFaceRouter = "hf-router"
        /// An engine that none of these is: asked for what most give, restored as most look.
        case generic
    }

    /// What is captured of each turn.
    public enum Capture: String, CaseIterable, Sendable {
        /// Token ids and log-probabilities.
        case tokens
        /// Log-probabilities.
        case logprobs
        /// What the agent sees; nothing is injected.
        case text
        /// Nothing; requests are only forwarded and no trace is kept.
        case off
    }

    /// The least that each turn must give.
    public enum Requirement: String, CaseIterable, Sendable {
        /// Token ids and log-probabilities.
        case tokens
        /// Log-probabilities.
        case logprobs
    }

    /// How much of the log-probabilities a record repeats.
    public enum TraceDetail: String, CaseIterable, Sendable {
        /// The engine's own entries, alternatives included, beside the flat lists.
        case full
        /// The flat lists only.
        case compact
    }

    /// When a record counts as kept.
    public enum TraceSync: String, CaseIterable, Sendable {
        /// When the kernel has it: it survives the end of the process, also by `kill -9`.
        case write
        /// When the disk has it: it survives a power cut.
        case disk
    }

    /// Base of the engine's API: `http[s]://host[:port][/path][?query]`. A path takes the place of the `/v1` that the
    /// agent calls; without one `/v1` is used. A query is kept.
    public var upstreamURL: String
    /// Replaces the agent's own key in the header where it was sent: `Authorization: Bearer …`, `x-api-key` or `api-key`.
    /// If there is none it is sent in `Authorization`, or in `x-api-key` to `/v1/messages`. Default: none, the agent's own
    /// is forwarded.
    public var upstreamAPIKey: String?
    /// File that holds ``upstreamAPIKey``, for who would rather not pass it on. Default: none.
    public var upstreamAPIKeyFile: String?
    /// File of PEM certificates that the engine's must be signed by, in place of the system's. Default: none.
    public var upstreamCA: String?
    /// Keys of which agents must send one, as `Authorization: Bearer …`, `x-api-key` or `api-key`; the engine never sees
    /// them. Default: none, everybody is let in.
    public var apiKeys: [APIKey] = []
    /// File with more of them: a line for each, `KEY` or `KEY SESSION`; blank lines and lines that begin with `#` are passed
    /// over. Default: none.
    public var apiKeyFile: String?
    /// File of PEM certificates by which the proxy shows agents who it is, its own first: it speaks HTTPS then. Goes with
    /// ``tlsKey``. Default: none.
    public var tlsCertificate: String?
    /// File of the certificate's private key, in PEM without a pass phrase. Default: none.
    public var tlsKey: String?
    /// File the trace is appended to. Default: `trace.jsonl`.
    public var trace = "trace.jsonl"
    /// Address to listen on. Default: `127.0.0.1`.
    public var host = "127.0.0.1"
    /// Port to listen on, 0…65535; 0 picks a free one. Default: 7000.
    public var port = 7000
    /// Alternatives per token, 0…20. Default: 5.
    public var topLogprobs = 5
    /// Longest time for an exchange with the engine as a whole. Default: 600 s.
    public var requestTimeout = Duration.seconds(600)
    /// Longest time to connect to the engine. Default: 10 s.
    public var connectTimeout = Duration.seconds(10)
    /// Longest silence of the engine within an exchange. Default: none.
    public var idleTimeout: Duration?
    /// Upper bound of `max_tokens`, `max_completion_tokens` and `max_output_tokens`. Default: none.
    public var maxTokensCap: Int?
    /// Sets `chat_template_kwargs.enable_thinking` to false unless the agent set it. Default: false.
    public var disableThinking = false
    /// Replaces `model` in every request. Default: none.
    public var modelOverride: String?
    /// A JSON object whose fields overwrite the agent's, such as `{"temperature": 1.0}`. Default: none.
    public var sampling: String?
    /// Default: ``Engine/auto``.
    public var engine = Engine.auto
    /// Default: ``Capture/tokens``.
    public var capture = Capture.tokens
    /// A turn that would be captured below this is refused: before generation where that is knowable, else it is recorded
    /// as a violation, and the proxy's health is `degraded`. Default: none.
    public var requireCapture: Requirement?
    /// Repeats a request that the engine failed with 500 once without anything added, at the cost of a generation: a NaN
    /// among the log-probabilities makes vLLM fail so. Default: false.
    public var retryServerError = false
    /// Default: ``TraceDetail/full``.
    public var traceDetail = TraceDetail.full
    /// Default: ``TraceSync/write``.
    public var traceSync = TraceSync.write
    /// How much memory records may take that wait to be written, in bytes; beyond it new turns are refused with 503.
    /// Default: 256 MiB.
    public var maxPending = 256 << 20
    /// Largest request body of a captured route, in bytes; 413 beyond it. Default: 64 MiB.
    public var maxBodySize = 64 << 20
    /// Largest reply held in memory, in bytes; beyond it a reply passes through as it is. Default: 64 MiB.
    public var maxReplySize = 64 << 20
    /// Bytes of request bodies held in memory at a time, over all connections; 503 beyond it. Default: 2 GiB.
    public var maxBuffered = 2 << 30
    /// Agents that may be connected at a time; 503 beyond it. Default: 10 000.
    public var maxConnections = 10_000
    /// Largest request line and headers together, in bytes; 431 beyond it. Default: 64 KiB.
    public var maxHeaderSize = 64 << 10
    /// Longest time for the head of a request, from its first byte on, or from the connection on for the first; 408 beyond
    /// it. Default: 60 s.
    public var headTimeout = Duration.seconds(60)
    /// Longest time for the body of a request on a captured route, from its head on; 408 beyond it. Default: 300 s.
    public var bodyTimeout = Duration.seconds(300)
    /// How long an agent's connection is kept that is not used. Default: 600 s.
    public var keepAlive = Duration.seconds(600)
    /// Forwards nothing but captured routes and `GET /v1/models`: 403 for all else. For agents that may try to have the
    /// engine generate where nobody records it. Default: false.
    public var onlyCaptured = false
    /// How long running turns may go on once the proxy is told to stop. Default: 10 s.
    public var shutdownGrace = Duration.seconds(10)
    /// Event loops. Default: one per core.
    public var threads: Int?
    /// How long an engine takes to refuse what was injected. Default: 1 s.
    package var refusalTime = Duration.seconds(1)
    /// How long an unused connection to the engine is kept. Default: 4 s.
    package var engineKeepAlive = Duration.seconds(4)
    /// One line per turn at level `info`. Default: silent.
    public var logger = Logger(label: "verbatim") { _ in SwiftLogNoOpLogHandler() }

    /// A configuration with the defaults.
    public init(upstreamURL: String) {
        self.upstreamURL = upstreamURL
    }
}
