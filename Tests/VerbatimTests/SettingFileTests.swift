import Foundation
import Logging
import Synchronization
import TestSupport
import Testing
import Verbatim

@Suite("Files of keys and certificates")
struct SettingFileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func file(_ text: String, mode: Int = 0o600) throws -> String {
        let path = folder.path(UUID().uuidString)
        #expect(FileManager.default.createFile(atPath: path, contents: Data(text.utf8)))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        return path
    }

    private static func fixture(_ name: String) -> String {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Fixtures/tls/\(name)").path
    }

    /// Starts a proxy and stops it. Returns the error if it could not start, and what it logged.
    private func start(
        _ configure: (inout ProxyConfiguration) throws -> Void
    ) async throws -> (error: ProxyError?, log: [String]) {
        let lines = LogLines()
        var configuration = ProxyConfiguration(upstreamURL: "https://127.0.0.1:1")
        configuration.port = 0
        configuration.capture = .off
        configuration.logger = Logger(label: "test") { _ in CollectingHandler(lines: lines) }
        try configure(&configuration)
        let proxy = InterceptionProxy(configuration: configuration)
        do {
            try await proxy.start()
        } catch {
            return (error, lines.all)
        }
        await proxy.stop()
        return (nil, lines.all)
    }

    @Test(
        "An invalid file of keys is refused with an error that names the line",
        arguments: [
            ("", "is empty"), ("# nothing\n\n  \t\n", "holds no key"),
            ("a\nb c d\n", "line 2: expected KEY or KEY SESSION"),
            ("a\n\n#\nb\r\na s", "line 5: the same key is given twice"), ("ü", "line 1: a key must not"),
            ("a b/c", "line 1: a session id must be"), ("a \u{E9}", "line 1: a session id must be"),
            ("a ..", "line 1: a session id must be"), ("a\u{0}b", "line 1: a key must not"),
            ("a s\nb s:t:u\nc t", "session s:t:u lies within session s"),
        ])
    func badKeys(text: String, expected: String) async throws {
        let path = try file(text)
        let error = try #require(try await start { $0.apiKeyFile = path }.error)
        #expect(error.code == .invalidConfiguration)
        #expect(error.message.hasPrefix("api-key-file: ") && error.message.contains(expected), "\(error.message)")
    }

    @Test("A file of keys may have comments, blanks and line breaks of any system")
    func goodKeys() async throws {
        let path = try file("\u{20}# all\r\n\r\nsk-a  rollout-1 \r\n\tsk-b\trollout-1\nsk-c")
        let result = try await start { $0.apiKeyFile = path }
        #expect(result.error == nil && result.log.isEmpty)
    }

    @Test("An error names the setting and the file that cannot be read", arguments: ["", "/nonexistent/file", "/"])
    func unreadable(path: String) async throws {
        let settings: [(String, WritableKeyPath<ProxyConfiguration, String?>)] = [
            ("api-key-file", \.apiKeyFile), ("upstream-api-key-file", \.upstreamAPIKeyFile),
            ("upstream-ca", \.upstreamCA),
            ("tls-cert", \.tlsCertificate), ("tls-key", \.tlsKey),
        ]
        for (name, setting) in settings {
            let error = try #require(
                try await start {
                    $0.tlsCertificate = name == "tls-key" ? Self.fixture("good.pem") : nil
                    $0.tlsKey = name == "tls-cert" ? Self.fixture("good.key") : nil
                    $0[keyPath: setting] = path
                }.error)
            #expect(error.code == .fileUnavailable)
            #expect(error.message.hasPrefix("\(name): cannot read '\(path)': "), "\(error.message)")
        }
    }

    @Test(
        "A file for the engine's key must hold exactly one",
        arguments: [("a\nb", "more than one line"), ("#\n", "holds no key"), ("a b", "line 1: a key must not")])
    func badUpstreamKey(text: String, expected: String) async throws {
        let path = try file(text)
        let error = try #require(try await start { $0.upstreamAPIKeyFile = path }.error)
        #expect(error.code == .invalidConfiguration && error.message.contains(expected), "\(error.message)")
        let both = try #require(
            try await start {
                $0.upstreamAPIKeyFile = path
                $0.upstreamAPIKey = "k"
            }.error)
        #expect(both.message.contains("give one of them"))
    }

    @Test("Keys that are given directly are checked like those of a file", arguments: ["", "a b", "a\n", "é"])
    func badDirectKeys(key: String) async throws {
        #expect(
            try await start { $0.apiKeys = [APIKey(key)] }.error?.message.hasPrefix("api-key: a key must not") == true)
        #expect(try await start { $0.upstreamAPIKey = key }.error?.code == .invalidConfiguration)
        let twice = try await start { $0.apiKeys = [APIKey("k"), APIKey("k", session: "s")] }
        #expect(twice.error?.message == "api-key: the same key is given twice")
    }

    @Test("Invalid certificates and keys, and those that do not belong together, are refused")
    func certificates() async throws {
        let garbage = try file("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        let (good, key) = (Self.fixture("good.pem"), Self.fixture("good.key"))
        func message(_ certificate: String?, _ key: String?) async throws -> String? {
            let result = try await start {
                $0.tlsCertificate = certificate
                $0.tlsKey = key
            }
            if let error = result.error { #expect(error.code == .invalidConfiguration) }
            return result.error?.message
        }
        #expect(try await message(good, key) == nil)
        #expect(try await message(good, nil) == "tls-cert goes with --tls-key, its private key")
        #expect(try await message(nil, key) == "tls-key goes with --tls-cert, its certificate")
        #expect(try await message(garbage, key) == "tls-cert: '\(garbage)' holds no certificate in PEM form")
        #expect(try await message(key, key) == "tls-cert: '\(key)' holds no certificate in PEM form")
        let noKey = "tls-key: '\(good)' holds no private key in PEM form without a pass phrase"
        #expect(try await message(good, good) == noKey)
        let other = Self.fixture("expired.key")
        let mismatch = "tls-key: '\(other)' is not the key of the first certificate of tls-cert: '\(good)'"
        #expect(try await message(good, other) == mismatch)
        for path in [garbage, key] {
            let error = try await start { $0.upstreamCA = path }.error
            #expect(error?.message == "upstream-ca: '\(path)' holds no certificate in PEM form")
        }
        #expect(try await start { $0.upstreamCA = Self.fixture("authority.pem") }.error == nil)
    }

    @Test(
        "A certificate that is not valid at this time is used, with a warning",
        arguments: [("good", 0), ("expired", 1), ("not-yet-valid", 1)])
    func validity(name: String, warnings: Int) async throws {
        let (certificate, key) = (
            Self.fixture("\(name).pem"),
            try file(
                try String(contentsOfFile: Self.fixture("\(name).key"), encoding: .utf8))
        )
        let own = try await start {
            $0.tlsCertificate = certificate
            $0.tlsKey = key
        }
        #expect(own.error == nil)
        #expect(own.log.filter { $0.contains("not valid at this time") }.count == warnings)
        let shown = try await start {
            $0.upstreamCertificate = certificate
            $0.upstreamKey = key
        }
        #expect(shown.error == nil)
        #expect(shown.log.filter { $0.contains("not valid at this time") }.count == warnings)
    }

    @Test("The certificate for the engine goes with its key")
    func identity() async throws {
        let (good, key) = (Self.fixture("good.pem"), Self.fixture("good.key"))
        #expect(
            try await start { $0.upstreamCertificate = good }.error?.message
                == "upstream-cert goes with --upstream-key, its private key")
        #expect(
            try await start { $0.upstreamKey = key }.error?.message
                == "upstream-key goes with --upstream-cert, its certificate")
        let other = Self.fixture("expired.key")
        let mismatch = try await start {
            $0.upstreamCertificate = good
            $0.upstreamKey = other
        }
        #expect(mismatch.error?.message.hasPrefix("upstream-key: '\(other)' is not the key of") == true)
    }

    @Test("Certificates for an engine that is reached without TLS are warned of")
    func certificatesWithoutTLS() async throws {
        for (url, isWarned) in [("http://127.0.0.1:1", true), ("https://127.0.0.1:1", false)] {
            let result = try await start {
                $0.upstreamURL = url
                $0.upstreamCA = Self.fixture("authority.pem")
            }
            #expect(result.error == nil)
            #expect(result.log.contains { $0.contains("have no effect") } == isWarned)
        }
    }

    @Test(
        "A key that was given in place of a file's name is not repeated",
        arguments: [
            "sk-live-0123456789abcdef", "AbC/d+f/gh==", "/AbC+dEf0123/x=", "eyJhbGciOi.eyJzdWIi.x-y_z",
            "-----BEGIN PRIVATE KEY-----\nMIIabc", "/4fG7hJ9kL2mN5pQ8rS1tU3vW6xY0zA", "hf_abcdefgh",
        ])
    func keysAreNotRepeated(key: String) async throws {
        let settings: [WritableKeyPath<ProxyConfiguration, String?>] = [
            \.apiKeyFile, \.upstreamAPIKeyFile, \.upstreamCA, \.tlsKey, \.upstreamKey,
        ]
        for setting in settings {
            let result = try await start {
                $0.tlsCertificate = setting == \.tlsKey ? Self.fixture("good.pem") : nil
                $0.upstreamCertificate = setting == \.upstreamKey ? Self.fixture("good.pem") : nil
                $0[keyPath: setting] = key
            }
            let error = try #require(result.error)
            #expect(error.code == .fileUnavailable)
            #expect(!error.message.contains(key), "\(error.message)")
            #expect(!result.log.contains { $0.contains(key) })
        }
    }

    @Test(
        "The path of a missing file is repeated", arguments: ["/run/secrets/engine-key", "./keys.txt", "/etc/missing"])
    func pathsAreRepeated(path: String) async throws {
        let error = try #require(try await start { $0.apiKeyFile = path }.error)
        #expect(error.message.contains("'\(path)'"))
    }

    @Test("A file that is also the trace is refused and not written to")
    func traceIsNoSettingFile() async throws {
        let keys = try file("sk-a")
        let link = keys + "-link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: keys)
        for trace in [keys, link] {
            let error = try await start {
                $0.capture = .tokens
                $0.trace = trace
                $0.apiKeyFile = keys
            }.error
            #expect(error?.message == "api-key-file: '\(keys)' is the trace, too: records would be appended to it")
        }
        #expect(try String(contentsOfFile: keys, encoding: .utf8) == "sk-a")
    }

    @Test(
        "An address that cannot be resolved is refused in plain words",
        arguments: ["nonsense host", "999.1.1.1", "127.0.0.1:80"])
    func noAddress(host: String) async throws {
        let error = try #require(try await start { $0.host = host }.error)
        #expect(error.code == .addressUnavailable)
        #expect(error.message == "cannot listen on \(host):0: its name cannot be resolved")
    }

    @Test("A file of secrets that others can read is used, with a warning")
    func modes() async throws {
        for (mode, isWarned) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true), (0o644, true)] {
            let keys = try file("sk-a", mode: mode)
            let log = try await start {
                $0.apiKeyFile = keys
                $0.upstreamAPIKeyFile = keys
            }.log
            #expect(log.count == (isWarned ? 2 : 0))
            #expect(log.allSatisfy { $0.hasPrefix("warning: a file of secrets is open") && !$0.contains("sk-a") })
        }
    }

    @Test("Listening beyond the machine without a key logs a warning, without TLS a notice")
    func openAddress() async throws {
        let open = try await start { $0.host = "0.0.0.0" }
        #expect(open.log.count == 1 && open.log.first?.hasPrefix("warning: NO API KEY") == true)
        let keyed = try await start {
            $0.host = "0.0.0.0"
            $0.apiKeys = [APIKey("sk-a")]
        }
        #expect(keyed.log.count == 1 && keyed.log.first?.hasPrefix("notice: keys and prompts cross") == true)
        for host in ["127.0.0.1", "localhost"] { #expect(try await start { $0.host = host }.log.isEmpty) }
    }
}

private final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }

    func add(_ line: String) { lines.withLock { $0.append(line) } }
}

private struct CollectingHandler: LogHandler {
    let lines: LogLines
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: Logging.LogEvent) {
        lines.add("\(event.level): \(event.message) \(event.metadata ?? [:])")
    }
}
