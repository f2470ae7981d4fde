import Foundation
import TestSupport
import Testing
import VerbatimHTTP
import VerbatimTesting

@testable import VerbatimProxy

@Suite("The way to the engine through a forward proxy", .onOwnThreads, .timeLimit(.minutes(10)))
struct ForwardProxyTests {
    @Test("Turns go through a tunnel, with and without TLS, and connections are reused", arguments: [true, false])
    func tunnel(isTLS: Bool) async throws {
        let engine = try await MockEngine.start(script: Chat.engine.serve)
        let relay = try await TLSRelay.start(TestCertificate("good"), to: engine.port)
        let port = isTLS ? relay.port : engine.port
        let way = try await ConnectRelay.start(to: port)
        let authority = try Data(contentsOf: URL(filePath: TestCertificate.authority.certificatePath))
        try await withProxy(
            {
                // Only the relay knows the port: the host's name is resolved by the proxy, not here.
                $0.upstreamURL = "\(isTLS ? "https" : "http")://localhost:\(port)/v1"
                $0.forwardProxy = try ForwardProxyURL.proxy("http://us%40er:pass@127.0.0.1:\(way.port)")
                $0.upstreamCA = PEMText(source: "authority", bytes: Array(authority))
            }, script: Chat.engine.serve
        ) { proxy in
            let agent = try await proxy.startChat(Chat.stream)
            #expect(try await agent.readResponse().status == 200)
            try await agent.send(requestBytes("POST", path: Chat.path, body: Array(Chat.unary.utf8)))
            #expect(try await agent.readResponse().status == 200)
            #expect(try await proxy.finalRecords().map(\.outcome) == ["completed", "completed"])
        }
        let request =
            "CONNECT localhost:\(port) HTTP/1.1\r\nHost: localhost:\(port)\r\n"
            + "Proxy-Authorization: Basic dXNAZXI6cGFzcw==\r\n\r\n"
        #expect(way.requests.state == [request])
        #expect(engine.connectionCount == 1 && relay.names.state == (isTLS ? ["localhost"] : []))
        #expect(engine.requests.allSatisfy { !$0.headers.contains { $0.name.lowercased() == "proxy-authorization" } })
        await way.stop()
        await relay.stop()
        await engine.stop()
    }

    @Test("A proxy that refuses the tunnel is named in the error", arguments: [true, false])
    func refused(isTLS: Bool) async throws {
        let way = try await ConnectRelay.start(to: 1, status: 407)
        try await withProxy(
            {
                $0.upstreamURL = "\(isTLS ? "https" : "http")://engine.example/v1"
                $0.forwardProxy = try ForwardProxyURL.proxy("http://127.0.0.1:\(way.port)")
            }, script: Chat.engine.serve
        ) { proxy in
            let response = try await proxy.chat()
            #expect(response.status == 502)
            #expect(response.bodyText.contains("the proxy refused the tunnel with status 407"))
        }
        await way.stop()
    }

    @Test("A proxy that is not there is an engine that cannot be reached")
    func unreachable() async throws {
        try await withProxy(
            { $0.forwardProxy = ForwardProxy(host: "127.0.0.1", port: 1) }, script: Chat.engine.serve
        ) { proxy in
            let response = try await proxy.chat()
            #expect(response.status == 502)
        }
    }

    @Test("The URL of a proxy is read, and never repeated")
    func urls() throws {
        let plain = try ForwardProxyURL.proxy("http://proxy:3128/")
        #expect(plain.host == "proxy" && plain.port == 3128 && plain.authorization == nil)
        #expect(try ForwardProxyURL.proxy("HTTP://[::1]").host == "::1")
        #expect(try ForwardProxyURL.proxy("http://a:b@c@h:1").authorization == "Basic YTpiQGM=")
        for text in ["", "proxy:3128", "https://p:1", "http://", "http://secret@", "http://p:1/x", "http://p:99999"] {
            do {
                _ = try ForwardProxyURL.proxy(text)
                Issue.record("accepted \(text)")
            } catch {
                #expect(error.description == "expected a URL such as http://proxy.example:3128")
            }
        }
    }

    @Test("Base64", arguments: [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")])
    func base64(text: String, encoded: String) {
        #expect(ForwardProxyURL.base64(Array(text.utf8)) == encoded)
    }
}
