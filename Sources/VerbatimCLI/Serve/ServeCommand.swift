import ArgumentParser
import Logging
import Verbatim
import VerbatimPlatform

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Forward requests to an engine and record every turn.",
        discussion: """
            Point the agent at the URL printed on the first line of standard output. Every flag can be given as an \
            environment variable as well: --top-logprobs as VERBATIM_TOP_LOGPROBS. SIGHUP reopens the trace after log \
            rotation.

            Exit codes: 0 after SIGTERM or SIGINT, 128 and its number after a second signal, 64 wrong usage, \
            66 a file of keys or certificates cannot be read, 69 the address cannot be listened on (the port is taken, say), \
            73 the trace cannot be written or another proxy writes to it.
            """
    )

    @Option(name: Setting.upstreamURL.name, help: Setting.upstreamURL.help) var upstreamURL: String?
    @Option(name: Setting.upstreamAPIKey.name, help: Setting.upstreamAPIKey.help) var upstreamAPIKey: String?
    @Option(name: Setting.upstreamAPIKeyFile.name, help: Setting.upstreamAPIKeyFile.help)
    var upstreamAPIKeyFile: String?
    @Option(name: Setting.upstreamCA.name, help: Setting.upstreamCA.help) var upstreamCA: String?
    @Option(name: Setting.trace.name, help: Setting.trace.help) var trace: String?
    @Option(name: Setting.host.name, help: Setting.host.help) var host: String?
    @Option(name: Setting.port.name, help: Setting.port.help) var port: String?
    @Option(name: Setting.apiKey.name, help: Setting.apiKey.help) var apiKey: [String] = []
    @Option(name: Setting.apiKeyFile.name, help: Setting.apiKeyFile.help) var apiKeyFile: String?
    @Option(name: Setting.tlsCertificate.name, help: Setting.tlsCertificate.help) var tlsCertificate: String?
    @Option(name: Setting.tlsKey.name, help: Setting.tlsKey.help) var tlsKey: String?
    @Option(name: Setting.topLogprobs.name, help: Setting.topLogprobs.help) var topLogprobs: String?
    @Option(name: Setting.requestTimeout.name, help: Setting.requestTimeout.help) var requestTimeout: String?
    @Option(name: Setting.connectTimeout.name, help: Setting.connectTimeout.help) var connectTimeout: String?
    @Option(name: Setting.idleTimeout.name, help: Setting.idleTimeout.help) var idleTimeout: String?
    @Option(name: Setting.maxTokensCap.name, help: Setting.maxTokensCap.help) var maxTokensCap: String?
    @Flag(name: Setting.disableThinking.name, help: Setting.disableThinking.help) var disableThinking = false
    @Option(name: Setting.modelOverride.name, help: Setting.modelOverride.help) var modelOverride: String?
    @Option(name: Setting.sampling.name, help: Setting.sampling.help) var sampling: String?
    @Option(name: Setting.engine.name, help: Setting.engine.help) var engine: String?
    @Option(name: Setting.capture.name, help: Setting.capture.help) var capture: String?
    @Option(name: Setting.requireCapture.name, help: Setting.requireCapture.help) var requireCapture: String?
    @Flag(name: Setting.retryServerError.name, help: Setting.retryServerError.help) var retryServerError = false
    @Flag(name: Setting.onlyCaptured.name, help: Setting.onlyCaptured.help) var onlyCaptured = false
    @Option(name: Setting.traceDetail.name, help: Setting.traceDetail.help) var traceDetail: String?
    @Option(name: Setting.traceSync.name, help: Setting.traceSync.help) var traceSync: String?
    @Option(name: Setting.maxPending.name, help: Setting.maxPending.help) var maxPending: String?
    @Option(name: Setting.maxBodySize.name, help: Setting.maxBodySize.help) var maxBodySize: String?
    @Option(name: Setting.maxReplySize.name, help: Setting.maxReplySize.help) var maxReplySize: String?
    @Option(name: Setting.maxBuffered.name, help: Setting.maxBuffered.help) var maxBuffered: String?
    @Option(name: Setting.maxConnections.name, help: Setting.maxConnections.help) var maxConnections: String?
    @Option(name: Setting.threads.name, help: Setting.threads.help) var threads: String?
    @Option(name: Setting.maxHeaderSize.name, help: Setting.maxHeaderSize.help) var maxHeaderSize: String?
    @Option(name: Setting.headTimeout.name, help: Setting.headTimeout.help) var headTimeout: String?
    @Option(name: Setting.bodyTimeout.name, help: Setting.bodyTimeout.help) var bodyTimeout: String?
    @Option(name: Setting.keepAlive.name, help: Setting.keepAlive.help) var keepAlive: String?
    @Option(name: Setting.shutdownGrace.name, help: Setting.shutdownGrace.help) var shutdownGrace: String?
    @Option(name: Setting.logLevel.name, help: Setting.logLevel.help) var logLevel: String?
    @Flag(name: Setting.quiet.name, help: Setting.quiet.help) var quiet = false

    func run() async throws {
        let log = LogWriter()
        let configuration = try proxyConfiguration(environment: Environment.variables, log: log)
        defer { log.flush() }
        MemoryTuning.apply()
        let files = CurrentProcess.raiseFileLimit()
        // Before anybody can know that the proxy runs, so that a signal never ends it the hard way.
        let signals = await ServiceSignals.trap()
        let proxy = InterceptionProxy(configuration: configuration)
        do {
            try await proxy.start()
        } catch {
            throw CommandFailure(error)
        }
        // Nobody who has left the default has said that there will be thousands.
        let isChosen =
            SettingValue(.maxConnections, flag: maxConnections, environment: Environment.variables).text != nil
        let needed = isChosen ? 2 * configuration.maxConnections + 64 : 4096
        if let files, files < needed {
            configuration.logger.warning(
                "the limit of open files is too low for --max-connections; raise it (ulimit -n, LimitNOFILE=)",
                metadata: ["limit": "\(files)", "needed": "\(needed)"])
        }
        ReadyLine.print(proxy)
        await ServiceSignals.run(proxy, until: signals)
    }

    /// The flags, else the environment, else the defaults.
    func proxyConfiguration(
        environment: [String: String], log: LogWriter = LogWriter()
    ) throws -> ProxyConfiguration {
        func value(_ setting: Setting, _ flag: String?) -> SettingValue {
            SettingValue(setting, flag: flag, environment: environment)
        }
        var configuration = ProxyConfiguration(upstreamURL: try value(.upstreamURL, upstreamURL).upstreamURL())
        try configuration.setUpstream(
            key: value(.upstreamAPIKey, upstreamAPIKey), keyFile: value(.upstreamAPIKeyFile, upstreamAPIKeyFile),
            authority: value(.upstreamCA, upstreamCA))
        configuration.apiKeys = (apiKey.isEmpty ? try value(.apiKey, nil).list() : apiKey).map { APIKey($0) }
        configuration.apiKeyFile = value(.apiKeyFile, apiKeyFile).text
        configuration.tlsCertificate = value(.tlsCertificate, tlsCertificate).text
        configuration.tlsKey = value(.tlsKey, tlsKey).text
        if let trace = value(.trace, trace).text { configuration.trace = trace }
        if let host = value(.host, host).text { configuration.host = host }
        if let port = try value(.port, port).integer() { configuration.port = port }
        if let count = try value(.topLogprobs, topLogprobs).integer() { configuration.topLogprobs = count }
        if let time = try value(.requestTimeout, requestTimeout).seconds() { configuration.requestTimeout = time }
        if let time = try value(.connectTimeout, connectTimeout).seconds() { configuration.connectTimeout = time }
        configuration.idleTimeout = try value(.idleTimeout, idleTimeout).seconds()
        configuration.maxTokensCap = try value(.maxTokensCap, maxTokensCap).integer()
        configuration.disableThinking = try value(.disableThinking, nil).isOn(flag: disableThinking)
        configuration.modelOverride = value(.modelOverride, modelOverride).text
        configuration.sampling = value(.sampling, sampling).text
        if let choice = try value(.engine, engine).choice(of: ProxyConfiguration.Engine.self) {
            configuration.engine = choice
        }
        if let choice = try value(.capture, capture).choice(of: ProxyConfiguration.Capture.self) {
            configuration.capture = choice
        }
        configuration.requireCapture = try value(.requireCapture, requireCapture).choice(
            of: ProxyConfiguration.Requirement.self)
        configuration.retryServerError = try value(.retryServerError, nil).isOn(flag: retryServerError)
        configuration.onlyCaptured = try value(.onlyCaptured, nil).isOn(flag: onlyCaptured)
        if let choice = try value(.traceDetail, traceDetail).choice(of: ProxyConfiguration.TraceDetail.self) {
            configuration.traceDetail = choice
        }
        if let choice = try value(.traceSync, traceSync).choice(of: ProxyConfiguration.TraceSync.self) {
            configuration.traceSync = choice
        }
        if let size = try value(.maxPending, maxPending).bytes() { configuration.maxPending = size }
        if let size = try value(.maxBodySize, maxBodySize).bytes() { configuration.maxBodySize = size }
        if let size = try value(.maxReplySize, maxReplySize).bytes() { configuration.maxReplySize = size }
        if let size = try value(.maxBuffered, maxBuffered).bytes() { configuration.maxBuffered = size }
        if let count = try value(.maxConnections, maxConnections).integer() { configuration.maxConnections = count }
        configuration.threads = try value(.threads, threads).integer()
        if let size = try value(.maxHeaderSize, maxHeaderSize).bytes() { configuration.maxHeaderSize = size }
        if let time = try value(.headTimeout, headTimeout).seconds() { configuration.headTimeout = time }
        if let time = try value(.bodyTimeout, bodyTimeout).seconds() { configuration.bodyTimeout = time }
        if let time = try value(.keepAlive, keepAlive).seconds() { configuration.keepAlive = time }
        if let time = try value(.shutdownGrace, shutdownGrace).seconds() { configuration.shutdownGrace = time }
        let level = try value(.logLevel, logLevel).choice(of: Logger.Level.self) ?? .info
        var logger = Logger(label: "verbatim") { _ in LineLogHandler(writer: log) }
        logger.logLevel = try value(.quiet, nil).isOn(flag: quiet) ? .error : level
        configuration.logger = logger
        return configuration
    }
}
