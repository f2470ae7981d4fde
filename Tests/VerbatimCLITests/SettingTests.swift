import ArgumentParser
import Foundation
import Logging
import Testing
import Verbatim

@testable import VerbatimCLI

/// What every setting of the table must do on the command line. `VerbatimTests` tests the table itself.
@Suite("Settings on the command line")
struct SettingTests {
    private static let help = ServeCommand.helpMessage(columns: 400)

    @Test("--help names every setting, and no other")
    func help() {
        let help = Self.help
        for flag in Setting.all.map(\.flag) {
            #expect(help.contains("--\(flag) ") || help.contains("--\(flag)\n"))
        }
        let named = Set(help.matches(of: /^ +--([a-z-]+)/.anchorsMatchLineEndings()).map { String($0.1) })
        #expect(named.subtracting(["version", "help"]) == Set(Setting.all.map(\.flag)))
    }

    @Test("--help has a section for every group of settings, in the table's order")
    func groups() {
        let help = Self.help
        let titles = help.matches(of: /^([A-Z]+):$/.anchorsMatchLineEndings()).map { String($0.1) }
        #expect(titles.filter { $0 != "OPTIONS" } == SettingGroup.all.map { $0.title.uppercased() })
    }

    @Test("--help states a setting's values and its default")
    func helpTexts() {
        let help = Self.help
        #expect(help.contains("Number of alternatives per token. (0 to 20; default: 5)"))
        #expect(help.contains("Log errors only. (default: off)"))
        #expect(help.contains("(tokens, logprobs, text, off; default: tokens)"))
        #expect(help.contains("its query is kept. (required)"))
    }

    @Test("probe has the engine's settings and its own requirement")
    func probe() {
        let help = ProbeCommand.helpMessage(columns: 400)
        let named = Set(help.matches(of: /^ +--([a-z-]+)/.anchorsMatchLineEndings()).map { String($0.1) })
        #expect(
            named.subtracting(["version", "help"]) == [
                "upstream-url", "upstream-api-key", "upstream-api-key-file", "upstream-ca", "upstream-cert",
                "upstream-key", "upstream-proxy",
                "engine", "top-logprobs",
                "request-timeout", "require-capture", "model", "api", "json",
            ])
        #expect(help.contains("Exit with 1 unless this level is reached."))
    }

    @Test("Every setting can be given as a flag", arguments: Setting.all.map(\.flag))
    func flags(flag: String) throws {
        let setting = try #require(Setting.all.first { $0.flag == flag })
        let arguments = setting.form == .toggle ? ["--\(flag)"] : ["--\(flag)", "x", "--\(flag)=y"]
        let command = try ServeCommand.parse(arguments)
        let expected = ["value": ["y"], "list": ["x", "y"], "toggle": ["on"]]["\(setting.form)"]
        #expect(command.flags == [flag: expected])
    }
}

@Suite("The command line of serve")
struct ServeCommandTests {
    private func configuration(_ arguments: String..., environment: [String: String] = [:]) throws
        -> (port: Int, command: String)
    {
        let command = try ServeCommand.parse(arguments)
        let configuration = try command.proxyConfiguration(environment: environment)
        return (configuration.port, "\(configuration)")
    }

    private func failure(_ arguments: [String], environment: [String: String] = [:]) -> CommandFailure? {
        do {
            _ = try ServeCommand.parse(arguments).proxyConfiguration(environment: environment)
            return nil
        } catch {
            return error as? CommandFailure
        }
    }

    @Test("A flag takes precedence over its variable, a variable over the default")
    func precedence() throws {
        let url = "--upstream-url=http://localhost:1"
        #expect(try configuration(url).port == 7000)
        #expect(try configuration(url, environment: ["VERBATIM_PORT": "1"]).port == 1)
        #expect(try configuration(url, environment: ["VERBATIM_PORT": ""]).port == 7000)
        #expect(try configuration(url, "--port", "2", environment: ["VERBATIM_PORT": "1"]).port == 2)
    }

    @Test("Every setting can come from the environment")
    func environment() throws {
        let environment = [
            "VERBATIM_UPSTREAM_URL": "http://engine:8000/v1", "VERBATIM_UPSTREAM_API_KEY": "k", "VERBATIM_TRACE": "t",
            "VERBATIM_UPSTREAM_API_KEY_FILE": "", "VERBATIM_UPSTREAM_CA": "ca", "VERBATIM_API_KEY": "a, b,c",
            "VERBATIM_UPSTREAM_CERT": "own", "VERBATIM_UPSTREAM_KEY": "own-key",
            "VERBATIM_UPSTREAM_PROXY": "http://proxy:3128", "VERBATIM_TRACE_INCOMPLETE": "empty",
            "VERBATIM_API_KEY_FILE": "keys", "VERBATIM_TLS_CERT": "cert", "VERBATIM_TLS_KEY": "key",
            "VERBATIM_HOST": "::1", "VERBATIM_PORT": "0", "VERBATIM_TOP_LOGPROBS": "20",
            "VERBATIM_REQUEST_TIMEOUT": "1.5", "VERBATIM_CONNECT_TIMEOUT": "2", "VERBATIM_IDLE_TIMEOUT": "3",
            "VERBATIM_MAX_TOKENS_CAP": "4", "VERBATIM_DISABLE_THINKING": "1", "VERBATIM_MODEL_OVERRIDE": "m",
            "VERBATIM_SAMPLING": "{}", "VERBATIM_ENGINE": "vllm", "VERBATIM_CAPTURE": "logprobs",
            "VERBATIM_TRACE_DETAIL": "compact", "VERBATIM_TRACE_SYNC": "disk", "VERBATIM_MAX_BODY_SIZE": "1K",
            "VERBATIM_MAX_PENDING": "3G",
            "VERBATIM_MAX_REPLY_SIZE": "2 MiB", "VERBATIM_SHUTDOWN_GRACE": "0", "VERBATIM_LOG_LEVEL": "debug",
            "VERBATIM_QUIET": "no", "VERBATIM_REQUIRE_CAPTURE": "logprobs", "VERBATIM_RETRY_SERVER_ERROR": "1",
            "VERBATIM_MAX_BUFFERED": "1G", "VERBATIM_MAX_CONNECTIONS": "5", "VERBATIM_THREADS": "9",
            "VERBATIM_MAX_HEADER_SIZE": "8K", "VERBATIM_MAX_SESSIONS_PER_KEY": "11",
            "VERBATIM_HEAD_TIMEOUT": "6", "VERBATIM_BODY_TIMEOUT": "7", "VERBATIM_KEEP_ALIVE": "8",
            "VERBATIM_ONLY_CAPTURED": "1",
        ]
        #expect(Set(environment.keys).symmetricDifference(Setting.all.map(\.variable)) == [])
        let configuration = try ServeCommand.parse([]).proxyConfiguration(environment: environment)
        #expect(configuration.upstreamURL == "http://engine:8000/v1")
        #expect(configuration.upstreamAPIKey == "k")
        #expect(configuration.upstreamCA == "ca")
        #expect(configuration.upstreamCertificate == "own" && configuration.upstreamKey == "own-key")
        #expect(configuration.upstreamProxy == "http://proxy:3128")
        #expect(configuration.traceIncomplete == .empty)
        #expect(configuration.apiKeys == [APIKey("a"), APIKey("b"), APIKey("c")])
        #expect(configuration.apiKeyFile == "keys")
        #expect(configuration.tlsCertificate == "cert" && configuration.tlsKey == "key")
        #expect(configuration.trace == "t")
        #expect(configuration.host == "::1")
        #expect(configuration.port == 0)
        #expect(configuration.topLogprobs == 20)
        #expect(configuration.requireCapture == .logprobs)
        #expect(configuration.retryServerError)
        #expect(configuration.requestTimeout == .milliseconds(1500))
        #expect(configuration.connectTimeout == .seconds(2))
        #expect(configuration.idleTimeout == .seconds(3))
        #expect(configuration.maxTokensCap == 4)
        #expect(configuration.disableThinking)
        #expect(configuration.modelOverride == "m")
        #expect(configuration.sampling == "{}")
        #expect(configuration.engine == .vllm)
        #expect(configuration.capture == .logprobs)
        #expect(configuration.traceDetail == .compact)
        #expect(configuration.traceSync == .disk)
        #expect(configuration.maxBodySize == 1024)
        #expect(configuration.maxReplySize == 2 << 20)
        #expect(configuration.maxPending == 3 << 30)
        #expect(configuration.maxBuffered == 1 << 30)
        #expect(configuration.maxConnections == 5)
        #expect(configuration.threads == 9)
        #expect(configuration.maxHeaderSize == 8192)
        #expect(configuration.maxSessionsPerKey == 11)
        #expect(configuration.headTimeout == .seconds(6))
        #expect(configuration.bodyTimeout == .seconds(7))
        #expect(configuration.keepAlive == .seconds(8))
        #expect(configuration.onlyCaptured)
        #expect(configuration.shutdownGrace == .zero)
        #expect(configuration.logger.logLevel == .debug)
    }

    @Test("The engine's key is also read from the variable's old name")
    func keys() throws {
        let command = try ServeCommand.parse(["--upstream-url", "http://localhost:1"])
        let old = ["OPENCODE_UPSTREAM_API_KEY": "b"]
        #expect(try command.proxyConfiguration(environment: old).upstreamAPIKey == "b")
        #expect(try command.proxyConfiguration(environment: [:]).upstreamAPIKey == nil)
        let new = old.merging(["VERBATIM_UPSTREAM_API_KEY": "a"]) { $1 }
        #expect(try command.proxyConfiguration(environment: new).upstreamAPIKey == "a")
    }

    @Test("Of a key and a file that holds it, a flag replaces a variable, and the variable's new name the old one")
    func keyFiles() throws {
        func keys(_ flags: [String], _ environment: [String: String]) throws -> [String?] {
            let command = try ServeCommand.parse(["--upstream-url", "http://localhost:1"] + flags)
            let configuration = try command.proxyConfiguration(environment: environment)
            return [configuration.upstreamAPIKey, configuration.upstreamAPIKeyFile]
        }
        let (key, file) = (["--upstream-api-key", "k"], ["--upstream-api-key-file", "f"])
        let variables = ["VERBATIM_UPSTREAM_API_KEY": "k2", "OPENCODE_UPSTREAM_API_KEY": "k3"]
        let fileVariable = ["VERBATIM_UPSTREAM_API_KEY_FILE": "f2"]
        #expect(try keys(file, variables) == [nil, "f"])
        #expect(try keys(key, fileVariable) == ["k", nil])
        #expect(try keys([], fileVariable.merging(["OPENCODE_UPSTREAM_API_KEY": "k3"]) { $1 }) == [nil, "f2"])
        #expect(throws: CommandFailure.self) { try keys(key + file, [:]) }
        #expect(throws: CommandFailure.self) { try keys([], fileVariable.merging(variables) { $1 }) }
    }

    @Test("Keys of agents can be given several times, and a flag replaces the variable")
    func agentKeys() throws {
        let command = try ServeCommand.parse([
            "--upstream-url", "http://localhost:1", "--api-key", "a", "--api-key", "b,c",
        ])
        let configuration = try command.proxyConfiguration(environment: ["VERBATIM_API_KEY": "d"])
        #expect(configuration.apiKeys == [APIKey("a"), APIKey("b,c")])
        #expect(!"\(configuration)".contains("b,c"))
    }

    @Test(
        "A variable that should hold keys and holds none is refused, rather than letting every agent in",
        arguments: [",", " ", " , ,"])
    func noAgentKeys(text: String) throws {
        let command = try ServeCommand.parse(["--upstream-url", "http://localhost:1"])
        let failure = #expect(throws: CommandFailure.self) {
            try command.proxyConfiguration(environment: ["VERBATIM_API_KEY": text])
        }
        #expect(failure?.message.hasPrefix("VERBATIM_API_KEY: expected values") == true)
        let spaced = try command.proxyConfiguration(environment: ["VERBATIM_API_KEY": " a , b "])
        #expect(spaced.apiKeys == [APIKey("a"), APIKey("b")])
    }

    @Test("An error names the flag or the variable that holds the invalid value")
    func badValues() {
        let url = "--upstream-url=http://localhost:1"
        #expect(failure([])?.message.hasPrefix("missing --upstream-url") == true)
        #expect(failure([url, "--port", "x"])?.message == #"--port: expected a whole number, not "x""#)
        #expect(
            failure([url], environment: ["VERBATIM_PORT": "x"])?.message
                == #"VERBATIM_PORT: expected a whole number, not "x""#)
        let engines = ProxyConfiguration.Engine.allCases.map(\.description).joined(separator: ", ")
        #expect(failure([url, "--engine", "gpt"])?.message == #"--engine: expected one of \#(engines), not "gpt""#)
        #expect(failure([url, "--request-timeout", "soon"])?.code == 64)
        #expect(failure([url, "--port", "70000"])?.message == "--port must be between 0 and 65535, not 70000")
        #expect(
            failure([url], environment: ["VERBATIM_TOP_LOGPROBS": "21"])?.message
                == "VERBATIM_TOP_LOGPROBS must be between 0 and 20, not 21")
        #expect(failure([url, "--keep-alive", "0"])?.message.hasPrefix("--keep-alive must be a positive") == true)
        #expect(failure([url, "--keep-alive", "0"])?.code == 64)
        #expect(failure([url, "--max-body-size", "64Q"])?.code == 64)
        #expect(failure([url], environment: ["VERBATIM_QUIET": "maybe"])?.code == 64)
    }
}
