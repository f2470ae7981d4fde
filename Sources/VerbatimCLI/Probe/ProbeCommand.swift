import VerbatimAPI
import ArgumentParser
import Verbatim
import VerbatimAPI
import VerbatimPlatform

struct ProbeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Ask a live engine for a few tokens and report what would be captured.",
        discussion: """
            Sends one request of each kind through a real proxy: each API, unary or streamed, whose reply ends by itself, \
            by a tool call, by a stop string and by its length, and says for each what is missing. Costs about 2000 \
            tokens, and at most 512 for each kind.

            --require-capture is about chat.completions, or about the APIs named by --api. Exit codes: 0 if it is met or \
            not given, 1 if it is not met, 64 wrong usage, 66 a file of keys or certificates cannot be read, 69 the engine \
            does not respond or lists no model.
            """
    )

    @OptionGroup(title: "Engine") var engine: SettingOptions<Engine>
    @OptionGroup(title: "Requirement") var requirement: SettingOptions<Requirement>
    @Option(help: ArgumentHelp("The model to ask (default: the first one the engine lists).", valueName: "name"))
    var model: String?
    @Option(help: ArgumentHelp("Probe this API only; may be given several times (default: all).", valueName: "name"))
    var api: [String] = []
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
        let (configuration, requirement) = try proxyConfiguration(environment: Environment.variables)
        defer { TemporaryTrace.remove(configuration.trace) }
        let apis = try Self.apis(api)
        let report: ProbeReport
        do {
            report = try await withInterceptionProxy(configuration: configuration) { proxy in
                var probe = try await Probe(proxy: proxy, model: model)
                var findings: [ProbeFinding] = []
                for cell in ProbeCell.all(of: apis) { findings.append(await probe.find(cell)) }
                return ProbeReport(
                    url: String(configuration.upstreamURL.prefix { $0 != "?" }), engine: try probe.engine(),
                    model: probe.model,
                    mode: await probe.logprobsMode(), findings: findings, requirement: requirement,
                    requiredAPIs: api.isEmpty ? [.chatCompletions] : apis)
            }
        } catch let error as ProxyError {
            throw CommandFailure(error)
        }
        StandardOutput.print(json ? report.json : report.table)
        guard report.shortfalls.isEmpty, report.findings.contains(where: { $0.level != nil }) else {
            let what = report.shortfalls.map { "\($0.cell.name): \($0.summary)" }.joined(separator: "; ")
            throw CommandFailure(
                code: 1,
                message: requirement.map { "below --require-capture \($0): \(what)" }
                    ?? "the engine replied to no request")
        }
    }

    private static func apis(_ names: [String]) throws -> [API] {
        let known = API.allCases
        if names.isEmpty { return known }
        return try names.map { name in
            guard let api = API(rawValue: name) else {
                throw CommandFailure.usage(
                    "--api: expected one of \(known.map(\.rawValue).joined(separator: ", ")), not \"\(name)\"")
            }
            return api
        }
    }

    /// The configuration of the probing proxy, and the requirement on what it captures.
    private func proxyConfiguration(
        environment: [String: String]
    ) throws -> (ProxyConfiguration, ProxyConfiguration.Requirement?) {
        let settings = Engine.settings + Requirement.settings
        let flags = engine.values.merging(requirement.values) { $1 }
        var configuration = ProxyConfiguration(upstreamURL: "")
        try GivenSettings(settings, flags: flags, environment: environment).apply(settings, to: &configuration)
        // The report states what is missing. The proxy itself must not refuse turns, or nothing could be measured.
        let requirement = configuration.requireCapture
        configuration.requireCapture = nil
        configuration.port = 0
        configuration.trace = try TemporaryTrace.make()
        return (configuration, requirement)
    }
}

extension ProbeCommand {
    /// How to reach the engine and what to ask it for.
    enum Engine: SettingSelection {
        static let settings = SettingGroup.engine.settings + rows("top-logprobs", "request-timeout")
    }

    /// The least that must be captured.
    enum Requirement: SettingSelection {
        static let settings = rows("require-capture").map {
            $0.described(as: "Exit with 1 unless this level is reached.")
        }
    }

    private static func rows(_ flags: String...) -> [Setting] { Setting.all.filter { flags.contains($0.flag) } }
}
