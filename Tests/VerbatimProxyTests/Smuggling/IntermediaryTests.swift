import NIOHTTP1
import TestSupport
import Testing
import VerbatimTesting

@testable import VerbatimProxy
@testable import VerbatimHTTP

@Suite("What RFC 9110 requires of an intermediary", .onOwnThreads, .timeLimit(.minutes(10)))
struct IntermediaryTests {
    @Test("OPTIONS counts Max-Forwards down, and TRACE is not forwarded")
    func maxForwards() async throws {
        try await withProxy(script: { exchange in
            try await exchange.respond(body: exchange.request.header("Max-Forwards") ?? "none")
        }) { proxy in
            let agent = try await proxy.connect()
            for (method, sent, expected) in [
                ("OPTIONS", "3", "2"), ("OPTIONS", "1", "0"), ("GET", "3", "3"), ("OPTIONS", "x", "x"),
            ] {
                try await agent.send(requestBytes(method, path: "/x", headers: [("Max-Forwards", sent)]))
                #expect(try await agent.readResponse().bodyText == expected)
            }
            try await agent.send(requestBytes("OPTIONS", path: "*", headers: [("Max-Forwards", "0")]))
            let last = try await agent.readResponse()
            #expect(last.status == 200 && last.bodyText == "{}")
            #expect(proxy.engine.requests.count == 4)
            try await agent.send(requestBytes("TRACE", path: "/x", headers: [("Max-Forwards", "1")]))
            let trace = try await agent.readResponse()
            let error = try OpenAIError(trace.body)
            #expect(trace.status == 501 && error.code == "not_implemented")
        }
    }

    @Test("The proxy adds no header of its own")
    func nothingIsAdded() async throws {
        try await withProxy(script: { try await $0.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") }) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(requestBytes("GET", path: "/x", headers: [("Via", "1.1 a"), ("Date", "then")]))
            let response = try await agent.readResponse()
            #expect(response.headers.map(\.0) == ["Content-Length"])
            let request = try #require(proxy.engine.requests.only)
            #expect(request.headers.map(\.name) == ["Host", "Via", "Date"])
            #expect(request.header("Via") == "1.1 a")
        }
    }

    @Test("The expectation of an HTTP/1.0 request is ignored")
    func expectationOfHTTP10IsIgnored() async throws {
        try await withProxy(script: { try await $0.respond(body: $0.request.body) }) { proxy in
            let agent = try await proxy.connect()
            try await agent.send("POST /x HTTP/1.0\r\nExpect: 100-continue, y\r\nContent-Length: 2\r\n\r\nab")
            let response = try await agent.readResponse()
            #expect(response.status == 200 && response.bodyText == "ab")
            #expect(proxy.engine.requests.first?.header("Expect") == nil)
        }
    }

    @Test("A request is never framed in two ways")
    func requestIsFramedInOneWay() throws {
        let headers: HTTPHeaders = ["Transfer-Encoding": "chunked", "Content-Length": "5", "X-A": "b"]
        let head = HTTPRequestHead(version: .http1_1, method: .POST, uri: "/v1/x", headers: headers)
        let request = ProxyRequest(head, target: try #require(RequestTarget(head)))
        let sent = EngineHeaders.make(
            for: request, authority: "e", apiKey: nil, acceptsIdentityOnly: false, bodyLength: nil)
        #expect(sent.map(\.name) == ["X-A", "Host"])
        let whole = EngineHeaders.make(
            for: request, authority: "e", apiKey: nil, acceptsIdentityOnly: false, bodyLength: 7)
        #expect(whole["Content-Length"] == ["7"] && !whole.contains(name: "Transfer-Encoding"))
    }
}
