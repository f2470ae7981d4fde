import VerbatimJSON
import NIOCore
import VerbatimProxy
import VerbatimTrace
import VerbatimAPI

extension ProxyConfiguration {
    /// The checked settings that the server runs by.
    func settings() throws(ProxyError) -> ProxySettings {
        var settings: ProxySettings
        do {
            settings = ProxySettings(upstream: try UpstreamURL(upstreamURL))
        } catch {
            throw ProxyError(.invalidConfiguration, "upstream-url: \(error.description)")
        }
        try check(port, named: "port", in: 0...65535)
        try check(topLogprobs, named: "top-logprobs", in: 0...20)
        try check(maxPending, named: "max-pending", in: 1...Int.max)
        try check(maxBodySize, named: "max-body-size", in: 1...Int.max)
        try check(maxReplySize, named: "max-reply-size", in: 1...Int.max)
        try check(maxBuffered, named: "max-buffered", in: 1...Int.max)
        try check(maxConnections, named: "max-connections", in: 1...1_000_000)
        try check(maxHeaderSize, named: "max-header-size", in: 1024...1 << 30)
        if let maxTokensCap { try check(maxTokensCap, named: "max-tokens-cap", in: 1...Int.max) }
        if let threads { try check(threads, named: "threads", in: 1...1024) }
        try checkPositive(requestTimeout, named: "request-timeout")
        try checkPositive(connectTimeout, named: "connect-timeout")
        try checkPositive(headTimeout, named: "head-timeout")
        try checkPositive(bodyTimeout, named: "body-timeout")
        try checkPositive(keepAlive, named: "keep-alive")
        if onlyCaptured && capture == .off {
            throw ProxyError(.invalidConfiguration, "only-captured: nothing is captured with --capture off")
        }
        if let idleTimeout { try checkPositive(idleTimeout, named: "idle-timeout") }
        if shutdownGrace < .zero {
            throw ProxyError(.invalidConfiguration, "shutdown-grace must not be negative")
        }
        if let requireCapture, capture != .tokens && !(requireCapture == .logprobs && capture == .logprobs) {
            throw ProxyError(
                .invalidConfiguration,
                "require-capture: \(requireCapture.rawValue) cannot be reached with --capture \(capture.rawValue)")
        }
        try readFiles(into: &settings)
        settings.host = host
        settings.port = port
        settings.threads = threads
        settings.policy = try policy()
        settings.engine = Self.profile(of: engine)
        settings.requestTimeout = TimeAmount(requestTimeout)
        settings.connectTimeout = TimeAmount(connectTimeout)
        settings.idleTimeout = idleTimeout.map { TimeAmount($0) }
        settings.refusalTime = TimeAmount(refusalTime)
        settings.engineKeepAlive = TimeAmount(engineKeepAlive)
        settings.maximumBodySize = maxBodySize
        settings.maximumReplySize = maxReplySize
        settings.maximumBuffered = maxBuffered
        settings.maximumConnections = maxConnections
        settings.maximumHeaderSize = maxHeaderSize
        settings.headTimeout = TimeAmount(headTimeout)
        settings.bodyTimeout = TimeAmount(bodyTimeout)
        settings.keepAlive = TimeAmount(keepAlive)
        settings.onlyCaptured = onlyCaptured
        return settings
    }

    var recorderConfiguration: TraceRecorder.Configuration {
        var configuration = TraceRecorder.Configuration(path: trace)
        configuration.maximumPendingBytes = maxPending
        switch traceSync {
        case .write: configuration.sync = .write
        case .disk: configuration.sync = .disk
        }
        return configuration
    }

    private func policy() throws(ProxyError) -> RequestPolicy {
        var policy = RequestPolicy()
        policy.retriesServerErrors = retryServerError
        policy.requirement = requireCapture.flatMap { CaptureRequirement(rawValue: $0.rawValue) }
        switch capture {
        case .tokens: policy.goal = .tokens
        case .logprobs: policy.goal = .logprobs
        case .text: policy.goal = .text
        case .off: policy.goal = .off
        }
        switch traceDetail {
        case .full: policy.detail = .full
        case .compact: policy.detail = .compact
        }
        policy.topLogprobs = topLogprobs
        policy.maxTokensCap = maxTokensCap
        policy.disablesThinking = disableThinking
        policy.modelOverride = modelOverride
        if let sampling { policy.sampling = try Self.fields(of: sampling) }
        return policy
    }

    private static func fields(of sampling: String) throws(ProxyError) -> [(name: String, value: [UInt8])] {
        let bytes = Array(sampling.utf8)
        let text = bytes.span
        let object: JSONObject?
        do {
            object = try JSONObject(document: text, options: .validUTF8)
        } catch {
            throw ProxyError(.invalidConfiguration, "sampling: not valid JSON: \(error)")
        }
        guard let object else {
            throw ProxyError(.invalidConfiguration, #"sampling: expected a JSON object such as {"temperature": 1.0}"#)
        }
        return object.members.map { ($0.key.decoded(in: text), $0.value.bytes(in: text)) }
    }

    private static func profile(of engine: Engine) -> EngineProfile? {
        engine == .auto ? nil : (EngineProfile.all + [.generic]).first { $0.name == engine.rawValue }
    }

    private func check(_ value: Int, named name: String, in range: ClosedRange<Int>) throws(ProxyError) {
        if range.contains(value) { return }
        let expected =
            range.upperBound == Int.max
            ? "at least \(range.lowerBound)" : "between \(range.lowerBound) and \(range.upperBound)"
        throw ProxyError(.invalidConfiguration, "\(name) must be \(expected), not \(value)")
    }

    private func checkPositive(_ value: Duration, named name: String) throws(ProxyError) {
        // A hundred years: beyond it the clock's arithmetic would overflow.
        if value > .zero && value <= .seconds(100 * 365 * 86_400) { return }
        throw ProxyError(.invalidConfiguration, "\(name) must be a positive number of seconds")
    }
}
