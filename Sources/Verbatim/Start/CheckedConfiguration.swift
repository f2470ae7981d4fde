import Logging
import NIOCore
import VerbatimAPI
import VerbatimJSON
import VerbatimPlatform
import VerbatimHTTP
import VerbatimProxy
import VerbatimTrace

/// What a proxy is started with: the checked values of a configuration, and the contents of the files that
/// it names.
struct CheckedConfiguration {
    let settings: ProxySettings
    /// nil if no trace is kept.
    let recorder: TraceRecorder.Configuration?
    /// Whether the trace is a folder with a file for each rollout.
    let keepsFolder: Bool

    init(_ configuration: ProxyConfiguration) throws(ProxyError) {
        for setting in Setting.all {
            if let problem = setting.problem(in: configuration) { throw ProxyError(.invalidConfiguration, problem) }
        }
        try Self.checkCombinations(of: configuration)
        settings = try Self.settings(of: configuration)
        recorder = Self.recorder(of: configuration)
        keepsFolder =
            configuration.trace.hasSuffix("/") || OpenFile.status(at: configuration.trace)?.kind == .directory
    }

    /// Checks combinations of settings.
    private static func checkCombinations(of configuration: ProxyConfiguration) throws(ProxyError) {
        let capture = configuration.capture
        if configuration.onlyCaptured && capture == .off {
            throw ProxyError(.invalidConfiguration, "only-captured: nothing is captured with --capture off")
        }
        if let least = configuration.requireCapture,
            capture != .tokens && !(least == .logprobs && capture == .logprobs)
        {
            throw ProxyError(
                .invalidConfiguration, "require-capture: \(least) cannot be reached with --capture \(capture)")
        }
    }

    private static func settings(of configuration: ProxyConfiguration) throws(ProxyError) -> ProxySettings {
        let upstream: UpstreamURL
        do {
            upstream = try UpstreamURL(configuration.upstreamURL)
        } catch {
            throw ProxyError(.invalidConfiguration, "upstream-url: \(error.description)", cause: error)
        }
        let files = SettingFiles(
            trace: configuration.capture == .off ? nil : configuration.trace, logger: configuration.logger)
        let keys = try Keys(configuration, files: files)

        var settings = ProxySettings(upstream: upstream)
        settings.upstreamAPIKey = keys.upstream
        if let path = configuration.upstreamCA { settings.upstreamCA = try files.read(path, of: "upstream-ca").pem }
        settings.upstreamIdentity = try files.identity(
            certificate: (configuration.upstreamCertificate, "upstream-cert"),
            key: (configuration.upstreamKey, "upstream-key")
        ).map { UpstreamTLS.Identity(certificates: $0.certificates, key: $0.key) }
        if !upstream.address.isTLS, settings.upstreamCA != nil || settings.upstreamIdentity != nil {
            configuration.logger.warning(
                "certificates for the engine have no effect: its URL begins with http://",
                metadata: ["settings": "upstream-ca, upstream-cert, upstream-key"])
        }
        if let proxy = configuration.upstreamProxy {
            do {
                settings.forwardProxy = try ForwardProxyURL.proxy(proxy)
            } catch {
                throw ProxyError(.invalidConfiguration, "upstream-proxy: \(error.description)")
            }
        }
        settings.engine = configuration.engine.profile
        settings.policy = try policy(of: configuration)

        settings.host = configuration.host
        settings.port = configuration.port
        settings.threads = configuration.threads
        settings.agentTLS = try agentTLS(of: configuration, files)
        settings.apiKeys = keys.agents
        settings.onlyCaptured = configuration.onlyCaptured

        settings.maximumBodySize = configuration.maxBodySize
        settings.maximumReplySize = configuration.maxReplySize
        settings.maximumBuffered = configuration.maxBuffered
        settings.maximumConnections = configuration.maxConnections
        settings.maximumHeaderSize = configuration.maxHeaderSize
        settings.maximumSessionsPerKey = configuration.maxSessionsPerKey

        settings.requestTimeout = TimeAmount(configuration.requestTimeout)
        settings.connectTimeout = TimeAmount(configuration.connectTimeout)
        settings.idleTimeout = configuration.idleTimeout.map { TimeAmount($0) }
        settings.headTimeout = TimeAmount(configuration.headTimeout)
        settings.bodyTimeout = TimeAmount(configuration.bodyTimeout)
        settings.keepAlive = TimeAmount(configuration.keepAlive)
        settings.refusalTime = TimeAmount(configuration.refusalTime)
        settings.engineKeepAlive = TimeAmount(configuration.engineKeepAlive)
        return settings
    }

    private static func agentTLS(
        of configuration: ProxyConfiguration, _ files: SettingFiles
    ) throws(ProxyError) -> ServerTLS? {
        let found = try files.identity(
            certificate: (configuration.tlsCertificate, "tls-cert"), key: (configuration.tlsKey, "tls-key"))
        return found.map { ServerTLS(certificates: $0.certificates, key: $0.key) }
    }

    private static func policy(of configuration: ProxyConfiguration) throws(ProxyError) -> RequestPolicy {
        var policy = RequestPolicy()
        policy.goal = configuration.capture.goal
        policy.requirement = configuration.requireCapture?.requirement
        policy.detail = configuration.traceDetail.detail
        // The field `logprobs` of an incomplete turn is left empty as well: only `response` has the entries then.
        if configuration.traceIncomplete == .empty && policy.detail == .entries { policy.detail = .full }
        policy.topLogprobs = configuration.topLogprobs
        policy.retriesServerErrors = configuration.retryServerError
        policy.maxTokensCap = configuration.maxTokensCap
        policy.disablesThinking = configuration.disableThinking
        policy.modelOverride = configuration.modelOverride
        if let sampling = configuration.sampling { policy.sampling = try fields(of: sampling) }
        return policy
    }

    /// Returns the names of a JSON object's members, and their values as JSON text.
    private static func fields(of sampling: String) throws(ProxyError) -> [(name: String, value: [UInt8])] {
        let bytes = Array(sampling.utf8)
        let text = bytes.span
        let object: JSONObject?
        do {
            object = try JSONObject(document: text, options: .validUTF8)
        } catch {
            throw ProxyError(.invalidConfiguration, "sampling: not valid JSON: \(error)", cause: error)
        }
        guard let object else {
            throw ProxyError(.invalidConfiguration, #"sampling: expected a JSON object such as {"temperature": 1.0}"#)
        }
        return object.members.map { ($0.key.decoded(in: text), $0.value.bytes(in: text)) }
    }

    private static func recorder(of configuration: ProxyConfiguration) -> TraceRecorder.Configuration? {
        if configuration.capture == .off { return nil }
        var recorder = TraceRecorder.Configuration(path: configuration.trace)
        recorder.maximumPendingBytes = configuration.maxPending
        recorder.incompleteLists = configuration.traceIncomplete.lists
        recorder.sync = configuration.traceSync.sync
        return recorder
    }
}
