import ArgumentParser
import Verbatim
import VerbatimPlatform

struct ProbeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Ask a live engine for a few tokens and tell what would be captured.",
        discussion: """
            Each kind of request that an agent may make is sent once through a real proxy: API, unary or streamed, with \
            or without tools. Costs about 300 tokens.

            Exit codes: 0 if --require-capture is met (or not given), 1 if it is not, 64 wrong usage, 66 a \
            file of keys or certificates cannot be read, 69 no engine answers or lists a model. The requirement is about chat.completions, or about the APIs named by --api.
            """
    )

    @Option(name: Setting.upstreamURL.name, help: Setting.upstreamURL.help) var upstreamURL: String?
    @Option(name: Setting.upstreamAPIKey.name, help: Setting.upstreamAPIKey.help) var upstreamAPIKey: String?
    @Option(name: Setting.upstreamAPIKeyFile.name, help: Setting.upstreamAPIKeyFile.help)
    var upstreamAPIKeyFile: String?
    @Option(name: Setting.upstreamCA.name, help: Setting.upstreamCA.help) var upstreamCA: String?
    @Option(help: ArgumentHelp("The model to ask (default: the first one the engine lists).", valueName: "name"))
    var model: String?
    @Option(help: ArgumentHelp("Probe this API only; may be given several times (default: all).", valueName: "name"))
    var api: [String] = []
    @Option(name: Setting.engine.name, help: Setting.engine.help) var engine: String?
    @Option(name: Setting.topLogprobs.name, help: Setting.topLogprobs.help) var topLogprobs: String?
    @Option(name: Setting.requestTimeout.name, help: Setting.requestTimeout.help) var requestTimeout: String?
    @Option(
        name: Setting.requireCapture.name,
        help: ArgumentHelp("tokens or logprobs: exit with 1 unless it is reached.", valueName: "level"))
    var requireCapture: String?
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
        let (configuration, requirement) = try proxyConfiguration(environment: Environment.variables)
        defer { TemporaryTrace.remove(configuration.trace) }
        let apis = try Self.apis(api)
        let report: ProbeReport
        do {
            report = try await withInterceptionProxy(configuration: configuration) { proxy in
                let probe = try await Probe(proxy: proxy, model: model)
                var findings: [ProbeFinding] = []
                for cell in ProbeCell.all(of: apis) { findings.append(try await probe.find(cell)) }
                return ProbeReport(
                    url: String(configuration.upstreamURL.prefix { $0 != "?" }), engine: try probe.engine(),
                    model: probe.model,
                    mode: try await probe.logprobsMode(), findings: findings, requirement: requirement,
                    requiredAPIs: api.isEmpty ? [.chatCompletions] : apis)
            }
        } catch let error as ProxyError {
            throw CommandFailure(error)
        }
        StandardOutput.print(json ? report.json : report.table)
        guard report.shortfalls.isEmpty, report.findings.contains(where: { $0.level != nil }) else {
            let what = report.shortfalls.map { "\($0.cell.name): \($0.level ?? "nothing")" }.joined(separator: "; ")
            throw CommandFailure(
                code: 1,
                message: requirement.map { "below --require-capture \($0.rawValue): \(what)" }
                    ?? "no request of any kind was answered")
        }
    }

    private static func apis(_ names: [String]) throws -> [ProbeCell.API] {
        let known = ProbeCell.API.allCases
        if names.isEmpty { return known }
        return try names.map { name in
            guard let api = ProbeCell.API(rawValue: name) else {
                throw CommandFailure.usage(
                    "--api: expected one of \(known.map(\.rawValue).joined(separator: ", ")), not \"\(name)\"")
            }
            return api
        }
    }

    /// The flags, else the environment, as for `serve`.
    private func proxyConfiguration(
        environment: [String: String]
    ) throws -> (ProxyConfiguration, ProxyConfiguration.Requirement?) {
        func value(_ setting: Setting, _ flag: String?) -> SettingValue {
            SettingValue(setting, flag: flag, environment: environment)
        }
        var configuration = ProxyConfiguration(upstreamURL: try value(.upstreamURL, upstreamURL).upstreamURL())
        try configuration.setUpstream(
            key: value(.upstreamAPIKey, upstreamAPIKey), keyFile: value(.upstreamAPIKeyFile, upstreamAPIKeyFile),
            authority: value(.upstreamCA, upstreamCA))
        configuration.port = 0
        if let count = try value(.topLogprobs, topLogprobs).integer() { configuration.topLogprobs = count }
        if let time = try value(.requestTimeout, requestTimeout).seconds() { configuration.requestTimeout = time }
        if let choice = try value(.engine, engine).choice(of: ProxyConfiguration.Engine.self) {
            configuration.engine = choice
        }
        let requirement = try value(.requireCapture, requireCapture).choice(of: ProxyConfiguration.Requirement.self)
        configuration.trace = try TemporaryTrace.make()
        return (configuration, requirement)
    }
}
