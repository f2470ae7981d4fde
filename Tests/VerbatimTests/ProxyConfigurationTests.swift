import Testing
import Verbatim

@Suite("Checks of the configuration")
struct ProxyConfigurationTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let message: String
        let change: @Sendable (inout ProxyConfiguration) -> Void

        var testDescription: String { message }
    }

    static let cases = [
        Case(message: "max-connections must be between 1 and 1000000, not 0") { $0.maxConnections = 0 },
        Case(message: "max-header-size must be between 1024 and 1073741824, not 100") { $0.maxHeaderSize = 100 },
        Case(message: "max-buffered must be at least 1, not 0") { $0.maxBuffered = 0 },
        Case(message: "head-timeout must be a positive number of seconds") { $0.headTimeout = .zero },
        Case(message: "body-timeout must be a positive number of seconds") { $0.bodyTimeout = .seconds(-1) },
        Case(message: "keep-alive must be a positive number of seconds") { $0.keepAlive = .zero },
        Case(message: "only-captured: nothing is captured with --capture off") {
            $0.onlyCaptured = true
            $0.capture = .off
        },
    ]

    @Test("A setting outside its range is refused before the trace is opened or the address is bound", arguments: cases)
    func limits(wrong: Case) async throws {
        var configuration = ProxyConfiguration(upstreamURL: "http://127.0.0.1:1")
        configuration.trace = "/nonexistent/\u{0}"
        configuration.port = 0
        wrong.change(&configuration)
        let proxy = InterceptionProxy(configuration: configuration)
        let error = await #expect(throws: ProxyError.self) { try await proxy.start() }
        #expect(error?.code == .invalidConfiguration && error?.message == wrong.message)
    }
}
