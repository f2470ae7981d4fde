import TestSupport
import Testing
import VerbatimAPI
import VerbatimProxy
import VerbatimTesting
import VerbatimTrace

@Suite("Routes that are captured, forwarded or answered by the proxy", .onOwnThreads, .timeLimit(.minutes(10)))
struct HTTPSurfaceRouteTests {
    @Test("Health does not ask the engine")
    func healthDoesNotAskTheEngine() async throws {
        try await withProxy({ $0.upstreamURL = "http://127.0.0.1:1" }, script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(requestBytes("GET", path: "/healthz?verbose"))
            let response = try await agent.readResponse()
            #expect(response.status == 200 && response.reason == "OK" && response.bodyText == #"{"status":"ok"}"#)
            #expect(response.header("Content-Type") == "application/json")
            try await agent.send(requestBytes("HEAD", path: "/healthz"))
            let head = try await agent.readResponse(toHead: true)
            #expect(head.status == 200 && head.header("Content-Length") == "15")
            // A body does not get in the way.
            try await agent.send(requestBytes("GET", path: "/healthz", body: Array("{}".utf8)))
            #expect(try await agent.readResponse().status == 200)
            #expect(proxy.engine.connectionCount == 0)
        }
    }

    @Test("Other methods of /healthz are forwarded")
    func otherMethodsOfHealthAreForwarded() async throws {
        try await withProxy(script: { try await $0.respond(status: 405, reason: "Nope") }) { proxy in
            let response = try await post(port: proxy.port, path: "/healthz", body: "")
            #expect(response.status == 405 && response.reason == "Nope")
            #expect(proxy.engine.requests.map(\.target) == ["/healthz"])
        }
    }

    @Test(
        "A captured route may come without /v1, with a trailing slash or with a host",
        arguments: [
            "/v1/chat/completions", "/chat/completions", "/v1/chat/completions/", "/chat/completions/",
            "http://proxy.example:7000/v1/chat/completions",
        ])
    func capturedRoutes(target: String) async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let response = try await post(port: proxy.port, path: target + "?a=b%20c&d", body: Chat.unary)
            #expect(response.status == 200)
            let request = try #require(proxy.engine.requests.only)
            #expect(request.target == "/v1/chat/completions?a=b%20c&d")
            #expect(request.bodyText.contains(#""logprobs":true"#))
            let record = try #require(try proxy.records().only, "the record is there when the reply is")
            #expect(record.outcome == "completed" && record.tokenIDs == [9906, 385, 1070, 0, 2])
            #expect(record.path == "/v1/chat/completions" || target.hasSuffix(record.path))
        }
    }

    @Test(
        "Without capture the same routes go to the same paths of the engine",
        arguments: ["/v1/chat/completions", "/chat/completions", "/chat/completions/"])
    func theSameRoutesWithoutCapture(target: String) async throws {
        try await withProxy({ $0.capture = .off }, script: Chat.engine.serve) { proxy in
            let response = try await post(port: proxy.port, path: target, body: Chat.unary)
            #expect(response.status == 200)
            let request = try #require(proxy.engine.requests.only)
            #expect(request.target == "/v1/chat/completions" && request.bodyText == Chat.unary)
        }
    }

    @Test(
        "Every other method and path is forwarded",
        arguments: [
            ("GET", "/v1/chat/completions"), ("PUT", "/v1/chat/completions"), ("OPTIONS", "/v1/chat/completions"),
            ("POST", "/v1/chat/completions/x"), ("POST", "/v2/chat/completions"),
            ("POST", "/v1/embeddings"), ("POST", "/tokenize"), ("GET", "/v1/models?limit=2&limit=3"), ("GET", "/"),
            ("DELETE", "/v1/files/a%2Fb"), ("PATCH", "/x"), ("PROPFIND", "/dav"), ("POST", "//v1//chat/completionz"),
            ("POST", "/v1chat/completions"), ("GET", "/v1"), ("GET", "/v1?x"), ("GET", "/a?b=/v1/c?d"),
            ("OPTIONS", "*"),
        ])
    func everythingElsePasses(method: String, target: String) async throws {
        try await withProxy(script: { exchange in
            try await exchange.respond(
                status: 299, reason: "Quite So", headers: [("X-Answer", "yes")], body: [0, 255] + exchange.request.body)
        }) { proxy in
            let body = Array(#"{ "messages" : 1.0, "ü": "\#u{7F}" }"#.utf8) + [0, 0xFF, 0x0D, 0x0A]
            let agent = try await proxy.connect()
            let hasBody = method != "GET" && method != "OPTIONS"
            try await agent.send(requestBytes(method, path: target, body: hasBody ? body : nil))
            let response = try await agent.readResponse()
            #expect(response.status == 299 && response.reason == "Quite So")
            #expect(response.body == [0, 255] + (hasBody ? body : []))
            let request = try #require(proxy.engine.requests.only)
            #expect(request.method == method && request.target == target && request.body == (hasBody ? body : []))
            #expect(try await proxy.finalRecords().isEmpty)
        }
    }

    @Test(
        "Paths go below the base path of the engine",
        arguments: [
            ("", "/v1/chat/completions", "/v1/chat/completions"), ("/", "/v1/models", "/v1/models"),
            ("/v1", "/v1/models", "/v1/models"), ("/v1/", "/v1/chat/completions/", "/v1/chat/completions"),
            ("/api/v1", "/chat/completions", "/api/v1/chat/completions"), ("/api/v1", "/v1/models", "/api/v1/models"),
            ("/v1beta/openai", "/v1/chat/completions", "/v1beta/openai/chat/completions"),
            ("/v1beta/openai/", "/v1/models/m", "/v1beta/openai/models/m"), ("/api/v1", "/tokenize", "/tokenize"),
            ("/api/v1", "/v1", "/api/v1"), ("/api/v1", "/v10/x", "/v10/x"),
            ("/api?api-version=1", "/v1/chat/completions", "/api/chat/completions?api-version=1"),
            ("/api?api-version=1", "/v1/chat/completions?x=y", "/api/chat/completions?api-version=1&x=y"),
            ("/api?api-version=1", "/v1/chat/completions?", "/api/chat/completions?api-version=1"),
            ("?k=v", "/v1/models", "/v1/models?k=v"), ("?k=v", "/metrics?n", "/metrics?k=v&n"),
        ])
    func baseURLs(base: String, target: String, expected: String) async throws {
        try await withProxy({ $0.upstreamURL = "{engine}" + base }, script: Chat.engine.serve) { proxy in
            _ = try await post(port: proxy.port, path: target, body: Chat.unary)
            #expect(proxy.engine.requests.map(\.target) == [expected])
        }
    }

    @Test("With capture off no request is changed")
    func captureOffChangesNoRequest() async throws {
        try await withProxy(
            {
                $0.capture = .off
                $0.trace.path = "/nonexistent/\u{0}/trace"
                $0.policy.maxTokensCap = 1
            }, script: Chat.engine.serve
        ) { proxy in
            let body = #"{ "model":"m" , "messages":[{"role":"user","content":"hi"}], "max_tokens": 9 }"#
            let response = try await proxy.chat(body, headers: [("Accept-Encoding", "gzip")])
            #expect(response.status == 200)
            let request = try #require(proxy.engine.requests.only)
            #expect(request.bodyText == body && request.header("Accept-Encoding") == "gzip")
            let direct = try await post(port: proxy.engine.port, path: Chat.path, body: body)
            #expect(direct.body == response.body)
            #expect(try await proxy.chat("no JSON").status == 400, "the engine's own reply")
        }
    }

    @Test(
        "A request that is not HTTP is refused",
        arguments: [
            "GARBAGE\r\n\r\n", "GET / HTTP/1.1\r\nBad Header: x\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
            "POST /x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "POST /x HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST /x HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            "GET relative HTTP/1.1\r\nHost: x\r\n\r\n",
        ])
    func invalidHTTPIsRefused(bytes: String) async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(bytes)
            let response = try await agent.readResponse()
            #expect(response.status == 400 && response.complete)
            #expect(response.header("Connection") == "close")
            #expect(try OpenAIError(response.body).type == "invalid_request_error")
            #expect(await agent.waitUntilClosed() == .eof)
            #expect(proxy.engine.requests.isEmpty && proxy.engine.problems.isEmpty)
            #expect(try await proxy.chat().status == 200)
            #expect(try await proxy.finalRecords().map(\.turn) == [1])
        }
    }

    @Test("A body with an invalid chunk is refused", arguments: [Chat.path, "/v1/embeddings"])
    func aBrokenBodyIsRefused(path: String) async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            try await agent.send("POST \(path) HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
            try await agent.send("zz\r\n")
            let rest = try await agent.readToEnd()
            #expect(rest.text.isEmpty || rest.text.hasPrefix("HTTP/1.1 400 "))
            if path == Chat.path { #expect(rest.text.hasPrefix("HTTP/1.1 400 ")) }
            #expect(try await proxy.finalRecords().isEmpty)
            #expect(proxy.engine.requests.isEmpty)
        }
    }

    @Test(
        "A captured body that is not a JSON object is refused",
        arguments: [
            "", "no JSON", "[]", "null", "{", #"{"model":"m"} x"#, "{\"model\":\"\u{1}\"}", #"{"a":01}"#,
        ])
    func aBodyThatIsNoObjectIsRefused(body: String) async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let agent = try await proxy.startChat(body)
            let response = try await agent.readResponse()
            #expect(response.status == 400 && response.complete)
            #expect(try OpenAIError(response.body).type == "invalid_request_error")
            // The connection stays open, and no turn number is taken.
            try await agent.send(requestBytes("POST", path: Chat.path, body: Array(Chat.unary.utf8)))
            #expect(try await agent.readResponse().status == 200)
            #expect(try await proxy.finalRecords().map(\.turn) == [1])
            #expect(proxy.engine.requests.count == 1)
        }
    }

    @Test("A captured body that is not UTF-8 is refused")
    func invalidUTF8IsRefused() async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            let agent = try await proxy.connect()
            let body = Array(#"{"model":""#.utf8) + [0xFF] + Array(#""}"#.utf8)
            try await agent.send(requestBytes("POST", path: Chat.path, body: body))
            #expect(try await agent.readResponse().status == 400)
            #expect(proxy.engine.requests.isEmpty)
        }
    }
}
