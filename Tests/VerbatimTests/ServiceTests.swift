import Logging
import ServiceLifecycle
import TestSupport
import Testing
import Verbatim
import VerbatimService

@Suite("The proxy as a service")
struct ServiceTests {
    private func proxy() -> InterceptionProxy {
        var configuration = ProxyConfiguration(upstreamURL: "http://127.0.0.1:1")
        configuration.port = 0
        configuration.capture = .off
        return InterceptionProxy(configuration: configuration)
    }

    /// The port is the configured 0 until the proxy listens.
    private func waitUntilRunning(_ proxy: InterceptionProxy) async {
        while proxy.port == 0 { await Task.yield() }
    }

    @Test("A service group runs the proxy until its graceful shutdown")
    func gracefulShutdown() async throws {
        let proxy = proxy()
        let group = ServiceGroup(
            services: [proxy], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            await waitUntilRunning(proxy)
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        let error = await #expect(throws: ProxyError.self) { try await proxy.start() }
        #expect(error?.code == .alreadyStarted)
    }

    @Test("A cancelled task stops the proxy")
    func cancellation() async throws {
        let proxy = proxy()
        let task = Task { try await proxy.run() }
        await waitUntilRunning(proxy)
        task.cancel()
        try await task.value
    }

    @Test("A proxy that cannot start ends its service with the error")
    func failure() async throws {
        var configuration = ProxyConfiguration(upstreamURL: "no URL")
        configuration.port = 0
        let proxy = InterceptionProxy(configuration: configuration)
        let error = await #expect(throws: ProxyError.self) { try await proxy.run() }
        #expect(error?.code == .invalidConfiguration && error?.side == .configuration)
    }
}
