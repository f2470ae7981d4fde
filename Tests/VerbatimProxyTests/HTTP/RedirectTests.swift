import NIOHTTP1
import TestSupport
import Testing
import VerbatimAPI
import VerbatimHTTP
import VerbatimTesting

@testable import VerbatimProxy

@Suite("Redirects do not lead an agent past the proxy") struct EngineReferenceTests {
    private func references(to upstream: String, path: String = "/v1/models") throws -> EngineReferences {
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: path)
        return EngineReferences(
            to: try UpstreamURL(upstream), in: ProxyRequest(head, target: try #require(RequestTarget(head))))
    }

    @Test(
        "The engine's own address becomes the agent's path",
        arguments: [
            ("http://engine:8000", "http://engine:8000/v1/models/", "/v1/models/"),
            ("http://engine:8000", "HTTP://Engine:8000/v1/models/?a=b#c", "/v1/models/?a=b#c"),
            ("http://engine:8000", "http://u:p@engine.:8000/health", "/health"),
            ("http://engine:8000", "//engine:8000/v1/x", "/v1/x"),
            ("http://engine:8000", "http://engine:8000", "/"), ("http://engine:8000", "http://engine:8000?a", "/?a"),
            ("http://engine", "http://engine:80/v1", "/v1"), ("http://engine:80", "http://engine/v1", "/v1"),
            ("http://engine", "http://engine:/v1", "/v1"), ("https://engine", "https://engine:443/v1", "/v1"),
            ("https://engine", "http://engine/v1/models/", "/v1/models/"),
            ("http://[::1]:8000", "http://[0:0:0:0:0:0:0:1]:8000/v1/x", "/v1/x"),
            ("http://localhost:8000", "http://127.0.0.1:8000/v1/x", "/v1/x"),
            ("http://engine/api/v1", "http://engine/api/v1/models/", "/v1/models/"),
            ("http://engine/api/v1", "/api/v1/models/", "/v1/models/"),
            ("http://engine/api/v1", "http://engine/api/v1x", "/api/v1x"),
            ("http://engine/v1?key=secret", "http://engine/v1/models/?key=secret", "/v1/models/"),
            ("http://engine/v1?key=secret", "http://engine/v1/models/?key=secret&a=b", "/v1/models/?a=b"),
            ("http://engine/v1?key=secret", "/v1/models/?key=secrets", "/v1/models/?key=secrets"),
        ])
    func ownAddresses(upstream: String, reference: String, expected: String) throws {
        #expect(try references(to: upstream).rewritten(reference: reference) == expected)
    }

    @Test(
        "Other addresses stay",
        arguments: [
            "http://other:8000/v1/x", "http://engine:8001/v1/x", "https://engine:8000/v1/x", "http://engine/v1/x",
            "http://engine:8000.evil/v1", "http://engine:8000@evil/v1", "http://enginex:8000/v1", "models/", "?a", "",
            "ftp://engine:8000/v1", "http:/v1", "mailto:a@b",
        ])
    func otherAddresses(reference: String) throws {
        #expect(try references(to: "http://engine:8000").rewritten(reference: reference) == nil)
    }

    @Test("A session that the path names stays named")
    func sessions() throws {
        let references = try references(to: "http://engine/api/v1", path: "/sessions/a%20b/v1/models?x")
        #expect(references.rewritten(reference: "http://engine/api/v1/models/") == "/sessions/a%20b/v1/models/")
        #expect(references.rewritten(reference: "/api/v1/models/?x") == "/sessions/a%20b/v1/models/?x")
        #expect(references.rewritten(reference: "http://engine/health") == "/health")
        #expect(references.rewritten(reference: "http://other/api/v1") == nil)
    }

    @Test("Captured and forwarded replies are rewritten, and nothing else in them", arguments: [Chat.path, "/v1/x"])
    func replies(path: String) async throws {
        let hasHeaders = [("X-A", "1"), ("Location", "{own}/v1/y/"), ("content-location", "{own}/z"), ("X-B", "{own}")]
        try await withProxy(script: { exchange in
            let own = "http://\(exchange.request.header("Host") ?? "")"
            let headers = hasHeaders.map { ($0, $1.replacing("{own}", with: own)) }
            try await exchange.respond(status: 307, reason: "Temporary Redirect", headers: headers)
        }) { proxy in
            let response = try await post(port: proxy.port, path: "/sessions/s" + path, body: Chat.unary)
            #expect(response.status == 307)
            #expect(response.header("Location") == "/sessions/s/v1/y/" && response.header("content-location") == "/z")
            #expect(response.header("X-B") == proxy.engine.url)
        }
    }
}
