import ArgumentParser
import Foundation
import Logging
import Testing
import Verbatim

@testable import VerbatimCLI

@Suite("Settings")
struct SettingTests {
    @Test("The README's table is the table of settings")
    func readme() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
        let rows = readme.split(separator: "\n").filter { $0.hasPrefix("| `--") }.map(String.init)
        let expected = Setting.all.map { setting in
            let value = setting.value.map { " " + $0.uppercased() } ?? ""
            return "| `--\(setting.flag)\(value)` | \(setting.standard) | \(setting.meaning) |"
        }
        #expect(rows == expected)
    }

    @Test("--help names every setting, and no other", arguments: Setting.all.map(\.flag))
    func help(flag: String) {
        let help = ServeCommand.helpMessage(columns: 400)
        #expect(help.contains("--\(flag) ") || help.contains("--\(flag)\n"))
        let named = Set(help.matches(of: /^ +--([a-z-]+)/.anchorsMatchLineEndings()).map { String($0.1) })
        #expect(named.subtracting(["version", "help"]) == Set(Setting.all.map(\.flag)))
    }

    @Test("Names of variables come from names of flags")
    func variables() {
        #expect(Setting.topLogprobs.variable == "VERBATIM_TOP_LOGPROBS")
        #expect(Setting.upstreamAPIKey.otherVariables == ["OPENCODE_UPSTREAM_API_KEY"])
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

    @Test("A flag wins over its variable, a variable over the default")
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
            "VERBATIM_MAX_HEADER_SIZE": "8K",
            "VERBATIM_HEAD_TIMEOUT": "6", "VERBATIM_BODY_TIMEOUT": "7", "VERBATIM_KEEP_ALIVE": "8",
            "VERBATIM_ONLY_CAPTURED": "1",
        ]
        #expect(Set(environment.keys) == Set(Setting.all.map(\.variable)))
        let configuration = try ServeCommand.parse([]).proxyConfiguration(environment: environment)
        #expect(configuration.upstreamURL == "http://engine:8000/v1")
        #expect(configuration.upstreamAPIKey == "k")
        #expect(configuration.upstreamCA == "ca")
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
        #expect(configuration.headTimeout == .seconds(6))
        #expect(configuration.bodyTimeout == .seconds(7))
        #expect(configuration.keepAlive == .seconds(8))
        #expect(configuration.onlyCaptured)
        #expect(configuration.shutdownGrace == .zero)
        #expect(configuration.logger.logLevel == .debug)
    }

    @Test("The key is looked for under its old name, too")
    func keys() throws {
        let command = try ServeCommand.parse(["--upstream-url", "http://localhost:1"])
        let old = ["OPENCODE_UPSTREAM_API_KEY": "b"]
        #expect(try command.proxyConfiguration(environment: old).upstreamAPIKey == "b")
        #expect(try command.proxyConfiguration(environment: [:]).upstreamAPIKey == nil)
        let new = old.merging(["VERBATIM_UPSTREAM_API_KEY": "a"]) { $1 }
        #expect(try command.proxyConfiguration(environment: new).upstreamAPIKey == "a")
    }

    @Test("Of a key and a file of it, a flag wins over a variable, and one's own variable over the old one")
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

    @Test("Keys of agents can be given several times; a flag wins over the variable")
    func agentKeys() throws {
        let command = try ServeCommand.parse([
            "--upstream-url", "http://localhost:1", "--api-key", "a", "--api-key", "b,c",
        ])
        let configuration = try command.proxyConfiguration(environment: ["VERBATIM_API_KEY": "d"])
        #expect(configuration.apiKeys == [APIKey("a"), APIKey("b,c")])
        #expect(!"\(configuration)".contains("b,c"))
    }

    @Test("A variable of keys that holds none does not let everybody in", arguments: [",", " ", " , ,"])
    func noAgentKeys(text: String) throws {
        let command = try ServeCommand.parse(["--upstream-url", "http://localhost:1"])
        let failure = #expect(throws: CommandFailure.self) {
            try command.proxyConfiguration(environment: ["VERBATIM_API_KEY": text])
        }
        #expect(failure?.message.hasPrefix("VERBATIM_API_KEY: expected values") == true)
        let spaced = try command.proxyConfiguration(environment: ["VERBATIM_API_KEY": " a , b "])
        #expect(spaced.apiKeys == [APIKey("a"), APIKey("b")])
    }

    @Test("Bad values are named with where they came from")
    func badValues() {
        let url = "--upstream-url=http://localhost:1"
        #expect(failure([])?.message.hasPrefix("missing --upstream-url") == true)
        #expect(failure([url, "--port", "x"])?.message == #"--port: expected a whole number, not "x""#)
        #expect(
            failure([url], environment: ["VERBATIM_PORT": "x"])?.message
                == #"VERBATIM_PORT: expected a whole number, not "x""#)
        #expect(
            failure([url, "--engine", "gpt"])?.message
                == #"--engine: expected one of auto, vllm, sglang, llamacpp, tensorrt-llm, dynamo, tgi, ollama, lmstudio, openai, azure, openrouter, hf-router, generic, not "gpt""#
        )
        #expect(failure([url, "--request-timeout", "soon"])?.code == 64)
        #expect(failure([url, "--max-body-size", "64Q"])?.code == 64)
        #expect(failure([url], environment: ["VERBATIM_QUIET": "maybe"])?.code == 64)
    }
}
