import ArgumentParser

/// One setting of `verbatim serve`: the one place that names its flag, its default and its meaning.
struct Setting: Sendable {
    /// Without the two dashes.
    let flag: String
    /// What the value is called; `nil` for a switch.
    let value: String?
    /// As it stands in the documentation.
    let standard: String
    let meaning: String
    /// Further environment variables that are looked at, in this order.
    var otherVariables: [String] = []

    /// The environment variable that is looked at where the flag is missing.
    var variable: String { "VERBATIM_" + flag.uppercased().split(separator: "-").joined(separator: "_") }

    var help: ArgumentHelp {
        ArgumentHelp("\(meaning) (\(isRequired ? standard : "default: \(standard)"))", valueName: value)
    }

    private var isRequired: Bool { standard == "required" }

    var name: NameSpecification { .customLong(flag) }
}

extension Setting {
    static let upstreamURL = Setting(
        flag: "upstream-url", value: "url", standard: "required",
        meaning: "Base of the engine's API. A path takes the place of the /v1 the agent calls; a query is kept.")
    static let upstreamAPIKey = Setting(
        flag: "upstream-api-key", value: "key", standard: "none: the agent's own is forwarded",
        meaning:
            "Replaces the agent's key, in the header the agent used. Prefer the environment: arguments are visible to "
            + "other users.",
        otherVariables: ["OPENCODE_UPSTREAM_API_KEY"])
    static let upstreamAPIKeyFile = Setting(
        flag: "upstream-api-key-file", value: "file", standard: "none", meaning: "File that holds that key.")
    static let upstreamCA = Setting(
        flag: "upstream-ca", value: "file", standard: "none: the system's",
        meaning: "PEM certificates that the engine's must be signed by.")
    static let apiKey = Setting(
        flag: "api-key", value: "key", standard: "none: everybody is let in",
        meaning:
            "Key that agents must send. May be given several times; in the environment with commas between. Prefer a file."
    )
    static let apiKeyFile = Setting(
        flag: "api-key-file", value: "file", standard: "none",
        meaning: "File of keys that agents must send, one a line; KEY SESSION binds one to a session.")
    static let tlsCertificate = Setting(
        flag: "tls-cert", value: "file", standard: "none: plain HTTP",
        meaning: "PEM certificates to serve HTTPS with, the proxy's own first.")
    static let tlsKey = Setting(
        flag: "tls-key", value: "file", standard: "none", meaning: "PEM private key of that certificate.")
    static let trace = Setting(
        flag: "trace", value: "path", standard: "trace.jsonl",
        meaning: "File the turns are appended to; folders are created.")
    static let host = Setting(
        flag: "host", value: "address", standard: "127.0.0.1", meaning: "Address to listen on.")
    static let port = Setting(
        flag: "port", value: "n", standard: "7000", meaning: "Port to listen on; 0 picks a free one.")
    static let topLogprobs = Setting(
        flag: "top-logprobs", value: "n", standard: "5", meaning: "Alternatives per token, 0 to 20.")
    static let requestTimeout = Setting(
        flag: "request-timeout", value: "s", standard: "600", meaning: "Longest time for a whole exchange, in seconds.")
    static let connectTimeout = Setting(
        flag: "connect-timeout", value: "s", standard: "10", meaning: "Longest time to reach the engine, in seconds.")
    static let idleTimeout = Setting(
        flag: "idle-timeout", value: "s", standard: "none", meaning: "Longest silence of the engine, in seconds.")
    static let maxTokensCap = Setting(
        flag: "max-tokens-cap", value: "n", standard: "none",
        meaning: "Upper bound of max_tokens, max_completion_tokens and max_output_tokens.")
    static let disableThinking = Setting(
        flag: "disable-thinking", value: nil, standard: "off",
        meaning: "Set chat_template_kwargs.enable_thinking=false unless the agent set it.")
    static let modelOverride = Setting(
        flag: "model-override", value: "model", standard: "none", meaning: "Replaces model in every request.")
    static let sampling = Setting(
        flag: "sampling", value: "json", standard: "none",
        meaning: "JSON object whose fields overwrite the agent's (temperature, top_p, …).")
    static let engine = Setting(
        flag: "engine", value: "name", standard: "auto",
        meaning:
            "auto, vllm, sglang, llamacpp, tensorrt-llm, dynamo, tgi, ollama, lmstudio, openai, azure, openrouter, "
            + "hf-router or generic.")
    static let capture = Setting(
        flag: "capture", value: "level", standard: "tokens",
        meaning: "tokens (ids and log-probabilities), logprobs, text (inject nothing) or off (forward only).")
    static let requireCapture = Setting(
        flag: "require-capture", value: "level", standard: "none",
        meaning: "tokens or logprobs: refuse a turn that would be captured below it; GET /healthz tells of violations.")
    static let retryServerError = Setting(
        flag: "retry-server-error", value: nil, standard: "off",
        meaning:
            "Repeat a request that the engine failed with 500 once without anything added (vLLM fails so on a NaN).")
    static let traceDetail = Setting(
        flag: "trace-detail", value: "detail", standard: "full",
        meaning: "full, or compact: without the engine's own log-probability entries.")
    static let traceSync = Setting(
        flag: "trace-sync", value: "when", standard: "write",
        meaning: "When a record counts as kept: write (the kernel has it) or disk (fdatasync).")
    static let maxPending = Setting(
        flag: "max-pending", value: "bytes", standard: "256 MiB",
        meaning: "Records that wait for the disk; beyond it new turns are refused.")
    static let maxBodySize = Setting(
        flag: "max-body-size", value: "bytes", standard: "64 MiB",
        meaning: "Largest request body of a captured route; 413 beyond it. K, M and G are understood.")
    static let maxReplySize = Setting(
        flag: "max-reply-size", value: "bytes", standard: "64 MiB",
        meaning: "Largest reply held in memory; beyond it a reply passes through as it is.")
    static let maxBuffered = Setting(
        flag: "max-buffered", value: "bytes", standard: "2 GiB",
        meaning: "Request bodies of captured routes held at a time, over all connections; 503 beyond it.")
    static let maxConnections = Setting(
        flag: "max-connections", value: "n", standard: "10000",
        meaning: "Agents connected at a time; 503 beyond it. Each takes up to two file descriptors.")
    static let threads = Setting(
        flag: "threads", value: "n", standard: "one per core", meaning: "Event loops, each a thread.")
    static let maxHeaderSize = Setting(
        flag: "max-header-size", value: "bytes", standard: "64 KiB",
        meaning: "Largest request line and headers together; 431 beyond it, or beyond 256 headers.")
    static let headTimeout = Setting(
        flag: "head-timeout", value: "s", standard: "60",
        meaning: "Longest time for a request's line and headers, in seconds; 408 beyond it.")
    static let bodyTimeout = Setting(
        flag: "body-timeout", value: "s", standard: "300",
        meaning: "Longest time for the body of a captured request, in seconds; 408 beyond it.")
    static let keepAlive = Setting(
        flag: "keep-alive", value: "s", standard: "600",
        meaning: "How long an agent's connection is kept unused, in seconds.")
    static let onlyCaptured = Setting(
        flag: "only-captured", value: nil, standard: "off",
        meaning:
            "Forward captured routes and GET /v1/models only, 403 for the rest: for agents that may try to get past "
            + "capture.")
    static let shutdownGrace = Setting(
        flag: "shutdown-grace", value: "s", standard: "10",
        meaning: "How long turns may go on after SIGTERM or SIGINT, in seconds.")
    static let logLevel = Setting(
        flag: "log-level", value: "level", standard: "info",
        meaning: "trace, debug, info, notice, warning, error or critical; logs go to standard error.")
    static let quiet = Setting(
        flag: "quiet", value: nil, standard: "off", meaning: "Log errors only.")

    /// In the order of `--help`.
    static let all: [Setting] = [
        upstreamURL, upstreamAPIKey, upstreamAPIKeyFile, upstreamCA, trace, host, port, apiKey, apiKeyFile,
        tlsCertificate, tlsKey, topLogprobs, requestTimeout, connectTimeout, idleTimeout, maxTokensCap, disableThinking,
        modelOverride, sampling, engine, capture, requireCapture, retryServerError,
        onlyCaptured, traceDetail, traceSync, maxPending, maxBodySize, maxReplySize, maxBuffered, maxConnections,
        threads, maxHeaderSize, headTimeout, bodyTimeout, keepAlive, shutdownGrace, logLevel, quiet,
    ]
}
