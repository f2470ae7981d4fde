package import Logging

/// The table of settings, in groups. `--help`, the environment, the checks at the start and `docs/configuration.md`
/// follow from it; a test compares the latter with it.
package struct SettingGroup: Sendable {
    package let title: String
    package let settings: [Setting]

    /// In the order of the documentation.
    package static let all = [engine, listening, access, capture, requests, limits, timeouts, trace, log]

    package static let engine = SettingGroup(
        title: "Engine",
        settings: [
            .required(
                "upstream-url", \.upstreamURL, "url",
                "Base URL of the engine's API. Its path takes the place of the /v1 that the agent calls; its query is kept."
            ),
            .text(
                "upstream-api-key", \.upstreamAPIKey, "key", unset: "none: the agent's own is forwarded",
                "Replaces the agent's key, in the header that the agent used. Prefer a file or the environment: other users "
                    + "of the machine can see arguments."
            ).alsoRead(from: "OPENCODE_UPSTREAM_API_KEY"),
            .text("upstream-api-key-file", \.upstreamAPIKeyFile, "file", "File that holds that key.")
                .insteadOf("upstream-api-key"),
            .text(
                "upstream-ca", \.upstreamCA, "file", unset: "none: the system's",
                "File of PEM certificates, one of which must have signed the engine's."),
            .text(
                "upstream-cert", \.upstreamCertificate, "file", unset: "none",
                "File of PEM certificates to show an engine that asks for one, the proxy's own first."),
            .text("upstream-key", \.upstreamKey, "file", "File of that certificate's private key, in PEM form."),
            .text(
                "upstream-proxy", \.upstreamProxy, "url",
                "Forward proxy through which the engine is reached (HTTP CONNECT): http://[user:password@]host:port."),
            .choice("engine", \.engine, "name", "Kind of engine; auto recognizes it by its replies."),
        ])

    package static let listening = SettingGroup(
        title: "Listening",
        settings: [
            .text("host", \.host, "address", "Address to listen on."),
            .number("port", \.port, in: 0...65535, "Port to listen on; 0 picks a free one."),
            .text(
                "tls-cert", \.tlsCertificate, "file", unset: "none: plain HTTP",
                "File of PEM certificates to serve HTTPS with, the proxy's own first."),
            .text("tls-key", \.tlsKey, "file", "File of that certificate's private key, in PEM form."),
            .number(
                "threads", \.threads, in: 1...1024, unset: "one per core that the process may use",
                "Number of event loops; each is a thread."),
        ])

    package static let access = SettingGroup(
        title: "Access",
        settings: [
            .list(
                "api-key", \.apiKeys, "key", unset: "none: every agent is let in",
                "Key that agents must send. May be given several times; in the environment separated by commas. Prefer a "
                    + "file.",
                element: { APIKey($0) }),
            .text(
                "api-key-file", \.apiKeyFile, "file",
                "File of keys that agents must send, one per line; a line KEY SESSION binds the key to a session."),
            .toggle(
                "only-captured", \.onlyCaptured,
                "Forward only captured routes and GET /v1/models; refuse the rest with 403: for agents that may try to "
                    + "avoid capture."),
        ])

    package static let capture = SettingGroup(
        title: "Capture",
        settings: [
            .choice(
                "capture", \.capture, "level",
                "What to capture: tokens (ids and log-probabilities), logprobs, text (inject nothing) or off (only forward)."
            ),
            .choice(
                "require-capture", \.requireCapture, "level",
                "Refuse a turn that would be captured below this level: tokens (every token), partial-tokens (some may be missing) or logprobs. GET /healthz reports violations."
            ),
            .number("top-logprobs", \.topLogprobs, in: 0...20, "Number of alternatives per token."),
            .toggle(
                "retry-server-error", \.retryServerError,
                "Repeat a request that the engine failed with 500 once, with nothing injected (vLLM fails so on a NaN)."
            ),
        ])

    package static let requests = SettingGroup(
        title: "Requests",
        settings: [
            .number(
                "max-tokens-cap", \.maxTokensCap, in: 1...Int.max,
                "Upper bound of the tokens of each choice: of every field that limits them, and set where a request has none."
            ),
            .toggle(
                "disable-thinking", \.disableThinking,
                "Set chat_template_kwargs.enable_thinking=false unless the agent set it."),
            .text("model-override", \.modelOverride, "model", "Replaces model in every request."),
            .text(
                "sampling", \.sampling, "json",
                "JSON object whose fields overwrite the agent's (temperature, top_p, …)."),
        ])

    package static let limits = SettingGroup(
        title: "Limits",
        settings: [
            .bytes("max-body-size", \.maxBodySize, "Largest request body of a captured route; 413 beyond it."),
            .bytes(
                "max-reply-size", \.maxReplySize,
                "Largest reply held in memory; beyond it a reply passes through as the engine sends it."),
            .bytes(
                "max-buffered", \.maxBuffered,
                "Request bodies of captured routes held in memory, over all connections; 503 beyond it."),
            .bytes(
                "max-pending", \.maxPending, "Records waiting to be written; beyond it new turns are refused with 503."),
            .number(
                "max-connections", \.maxConnections, in: 1...1_000_000,
                "Number of agents connected at a time; 503 beyond it. Each takes up to two file descriptors."),
            .number(
                "max-sessions-per-key", \.maxSessionsPerKey, in: 1...1_000_000,
                "Number of sessions that the agent of a key with a session may begin for sub-agents; 403 beyond it."),
            .bytes(
                "max-header-size", \.maxHeaderSize, in: 1024...1 << 30,
                "Largest request line and headers together; 431 beyond it, or beyond 256 headers."),
        ])

    package static let timeouts = SettingGroup(
        title: "Timeouts",
        settings: [
            .seconds("request-timeout", \.requestTimeout, "Longest time for an exchange with the engine."),
            .seconds("connect-timeout", \.connectTimeout, "Longest time to connect to the engine."),
            .seconds("idle-timeout", \.idleTimeout, "Longest silence of the engine within an exchange."),
            .seconds("head-timeout", \.headTimeout, "Longest time for a request's line and headers; 408 beyond it."),
            .seconds(
                "body-timeout", \.bodyTimeout, "Longest time for the body of a captured request; 408 beyond it."),
            .seconds("keep-alive", \.keepAlive, "How long an agent's unused connection is kept open."),
            .seconds(
                "shutdown-grace", \.shutdownGrace, within: .notNegative,
                "How long running turns may go on after SIGTERM or SIGINT."),
        ])

    package static let trace = SettingGroup(
        title: "Trace",
        settings: [
            .text(
                "trace", \.trace, "path",
                "File that turns are appended to, or a folder with a file for each rollout: DIR/ or an existing one."),
            .choice(
                "trace-detail", \.traceDetail, "detail",
                "The engine's own log-probability entries: entries (once, in logprobs), full (in response as well) or compact (nowhere)."
            ),
            .choice(
                "trace-incomplete", \.traceIncomplete, "what",
                "Token lists of a turn whose capture is incomplete: keep, or empty, for readers that do not look at capture."
            ),
            .choice(
                "trace-sync", \.traceSync, "when",
                "When a record counts as kept: write (the kernel has it) or disk (after fdatasync)."),
        ])

    package static let log = SettingGroup(
        title: "Log",
        settings: [
            .choice(
                "log-level", \.logger.logLevel, "level", default: Setting.defaultLogLevel,
                "Least level of the lines that are logged, to standard error."),
            .toggle("quiet", \.isQuiet, "Log errors only."),
        ])
}

extension Setting {
    /// Every setting, in the order of the documentation.
    package static let all = SettingGroup.all.flatMap(\.settings)

    /// The command's default. In a library the logger is its user's, and silent by default.
    package static let defaultLogLevel = Logger.Level.info
}

extension ProxyConfiguration {
    /// Whether errors alone are logged, whatever the level was.
    fileprivate var isQuiet: Bool {
        get { logger.logLevel == .error }
        set { if newValue { logger.logLevel = .error } }
    }
}
