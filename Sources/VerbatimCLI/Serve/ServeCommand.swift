import ArgumentParser
import Logging
import Verbatim
import VerbatimPlatform

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Forward requests to an engine and record every turn.",
        discussion: """
            Point the agent at the URL printed on the first line of standard output. Every option can also be given as an \
            environment variable: --top-logprobs as VERBATIM_TOP_LOGPROBS. Sizes take the units K, M and G, times are in \
            seconds. SIGHUP reopens the trace after log rotation.

            Exit codes: 0 after SIGTERM or SIGINT, 128 plus the signal's number after a second signal, 64 wrong usage, \
            66 a file of keys or certificates cannot be read, 69 the address cannot be listened on (for example because \
            the port is taken), 73 the trace cannot be written or another proxy writes to it.
            """
    )

    // One for each group of the table of settings.
    @OptionGroup(title: Engine.group.title) var engine: SettingOptions<Engine>
    @OptionGroup(title: Listening.group.title) var listening: SettingOptions<Listening>
    @OptionGroup(title: Access.group.title) var access: SettingOptions<Access>
    @OptionGroup(title: Capture.group.title) var capture: SettingOptions<Capture>
    @OptionGroup(title: Requests.group.title) var requests: SettingOptions<Requests>
    @OptionGroup(title: Limits.group.title) var limits: SettingOptions<Limits>
    @OptionGroup(title: Timeouts.group.title) var timeouts: SettingOptions<Timeouts>
    @OptionGroup(title: Trace.group.title) var trace: SettingOptions<Trace>
    @OptionGroup(title: Log.group.title) var log: SettingOptions<Log>

    enum Engine: GroupSelection { static let group = SettingGroup.engine }
    enum Listening: GroupSelection { static let group = SettingGroup.listening }
    enum Access: GroupSelection { static let group = SettingGroup.access }
    enum Capture: GroupSelection { static let group = SettingGroup.capture }
    enum Requests: GroupSelection { static let group = SettingGroup.requests }
    enum Limits: GroupSelection { static let group = SettingGroup.limits }
    enum Timeouts: GroupSelection { static let group = SettingGroup.timeouts }
    enum Trace: GroupSelection { static let group = SettingGroup.trace }
    enum Log: GroupSelection { static let group = SettingGroup.log }

    /// The values of the flags that were given.
    var flags: [String: [String]] {
        [
            engine.values, listening.values, access.values, capture.values, requests.values, limits.values,
            timeouts.values, trace.values, log.values,
        ].reduce(into: [:]) { all, values in all.merge(values) { $1 } }
    }

    func run() async throws {
        let log = LogWriter()
        let given = try GivenSettings(Setting.all, flags: flags, environment: Environment.variables)
        let configuration = try Self.configuration(given, log: log)
        defer { log.flush() }
        EnvironmentWarnings.log(configuration)
        MemoryTuning.apply()
        let fileLimit = CurrentProcess.raiseFileLimit()
        // Before the ready line: a signal that arrives right after it must already be handled.
        let signals = await ServiceSignals.trap()
        let proxy = InterceptionProxy(configuration: configuration)
        do {
            try await proxy.start()
        } catch {
            throw CommandFailure(error)
        }
        // The default of --max-connections is a ceiling, not a forecast. Only a value that was given is checked in
        // full.
        let needed = given.contains(flag: "max-connections") ? 2 * configuration.maxConnections + 64 : 4096
        if let fileLimit, fileLimit < needed {
            configuration.logger.warning(
                "the limit of open files is too low for --max-connections; raise it (ulimit -n, LimitNOFILE=)",
                metadata: ["limit": "\(fileLimit)", "needed": "\(needed)"])
        }
        ReadyLine.print(proxy)
        if let url = ReadyLine.networkURL(of: proxy) {
            configuration.logger.notice("agents on other machines reach the proxy at", metadata: ["url": "\(url)"])
        }
        await ServiceSignals.run(proxy, until: signals)
    }

    /// The configuration that the flags and `environment` state.
    func proxyConfiguration(environment: [String: String]) throws -> ProxyConfiguration {
        let given = try GivenSettings(Setting.all, flags: flags, environment: environment)
        return try Self.configuration(given, log: LogWriter())
    }

    private static func configuration(_ given: GivenSettings, log: LogWriter) throws -> ProxyConfiguration {
        var configuration = ProxyConfiguration(upstreamURL: "")
        configuration.logger = Logger(label: "verbatim") { _ in LineLogHandler(writer: log) }
        try given.apply(Setting.all, to: &configuration)
        return configuration
    }
}

/// A whole group of settings.
protocol GroupSelection: SettingSelection {
    static var group: SettingGroup { get }
}

extension GroupSelection {
    static var settings: [Setting] { group.settings }
}
