import TestSupport
import Testing
import VerbatimTesting

@Suite("The engine responds with an error", .onOwnThreads, .timeLimit(.minutes(10)))
struct FaultEngineErrorTests {
    struct InjectionRejection: Sendable, CustomTestStringConvertible {
        let status: Int
        let reason: String
        let type: String?
        let body: String
        /// As in the record, with sorted keys.
        let recorded: String

        var testDescription: String { "\(status) \(body.prefix(20))" }
    }

    static let refusals = [
        InjectionRejection(
            status: 404, reason: "Not Found", type: "application/json",
            body: #"{ "error": {"message":"no such model","code":404.0 }}"#,
            recorded: #"{"error":{"code":404,"message":"no such model"}}"#),
        InjectionRejection(
            status: 429, reason: "Slow Down", type: "application/json; charset=utf-8",
            body: #"{"error":{"message":"rate limit"}}"#, recorded: #"{"error":{"message":"rate limit"}}"#),
        InjectionRejection(
            status: 500, reason: "Internal Server Error", type: "text/plain", body: "Internal Server Error",
            recorded: #"{"error":"Internal Server Error"}"#),
        InjectionRejection(
            status: 503, reason: "Loading", type: "text/html", body: "<html>\"quoted\"\r\n\u{2028}</html>",
            recorded: #"{"error":"<html>\"quoted\"\r\n"# + "\u{2028}" + #"</html>"}"#),
        InjectionRejection(status: 502, reason: "", type: nil, body: "", recorded: #"{"error":""}"#),
        InjectionRejection(
            status: 422, reason: "Unprocessable", type: "application/json", body: #"["not","an","object"]"#,
            recorded: #"{"error":"[\"not\",\"an\",\"object\"]"}"#),
        InjectionRejection(
            status: 400, reason: "Bad Request", type: "application/json", body: #"{"error":{"message":"truncat"#,
            recorded: #"{"error":"{\"error\":{\"message\":\"truncat"}"#),
        InjectionRejection(
            status: 401, reason: "Unauthorized", type: "text/event-stream", body: "data: {\"error\":\"who?\"}\n\n",
            recorded: #"{"error":"data: {\"error\":\"who?\"}\n\n"}"#),
        InjectionRejection(
            status: 307, reason: "Elsewhere", type: nil, body: "moved", recorded: #"{"error":"moved"}"#),
    ]

    @Test("An error is passed on byte for byte and recorded", arguments: refusals, [Chat.unary, Chat.stream])
    func errorIsPassedOnByteForByte(refusal: InjectionRejection, body: String) async throws {
        try await withProxy(script: { exchange in
            let type = refusal.type.map { [("Content-Type", $0)] } ?? []
            try await exchange.respond(
                status: refusal.status, reason: refusal.reason,
                headers: [("x-request-id", "r"), ("Retry-After", "3")] + type, body: refusal.body)
        }) { proxy in
            let agent = try await proxy.startChat(body)
            let response = try await agent.readResponse()
            let direct = try await post(port: proxy.engine.port, path: Chat.path, body: body)
            #expect(response.rawHead == direct.rawHead && response.body == direct.body && response.complete)
            #expect(!agent.isClosed)
            #expect(proxy.engine.requests.count == 2, "nothing was tried again")
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.outcome == "upstream_error" && record.status == refusal.status)
            #expect(record.upstreamStatus == refusal.status)
            #expect(record.upstreamError == refusal.recorded)
            #expect(record.isStream == (body == Chat.stream))
            #expect(!record.isComplete && record.tokenIDs.isEmpty && record.finishReason == nil)
        }
    }

    @Test("An error is passed on whatever its framing", arguments: ["chunked", "close"])
    func framing(kind: String) async throws {
        try await withProxy(script: { exchange in
            if kind == "chunked" {
                try await exchange.send(
                    "HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n")
            } else {
                try await exchange.send("HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\n{\"a\":1}")
                await exchange.close()
            }
        }) { proxy in
            for body in [Chat.unary, Chat.stream] {
                let response = try await proxy.chat(body)
                #expect(response.status == 500 && response.reason == "Oh" && response.complete)
                #expect(response.bodyText == #"{"a":1}"#)
            }
            let records = try await proxy.finalRecords()
            #expect(records.map(\.upstreamError) == [#"{"a":1}"#, #"{"a":1}"#])
        }
    }

    @Test(
        "An error event within a stream is passed on with what follows it",
        arguments: [["[DONE]"], [Chat.event(3), Chat.finish, "[DONE]"], []])
    func anErrorInMidStream(after: [String]) async throws {
        let error = #"{"error":{"message":"out of memory","type":"server_error","code":500}}"#
        try await withProxy(script: { exchange in
            try await Stage.midStream.play(exchange)
            try await exchange.sendEvent(error)
            for event in after { try await exchange.sendEvent(event) }
            try await exchange.finishStream()
        }) { proxy in
            let response = try await proxy.chat(Chat.stream)
            #expect(response.status == 200 && response.complete)
            let events = response.bodyText.split(separator: "\n\n").map { String($0) }
            #expect(events.count == 3 + after.count && events[2] == "data: \(error)")
            #expect((events.last == "data: [DONE]") == (after.last == "[DONE]"))
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.outcome == "upstream_error" && record.status == 200 && !record.isComplete)
            #expect(record.tokenIDs == (after.count == 3 ? [1, 2, 3] : [1, 2]))
        }
    }

    @Test("A stream that begins with an error unrelated to the injection is passed on")
    func anErrorAsTheFirstEvent()
        async throws
    {
        try await withProxy(script: { exchange in
            try await exchange.startEventStream()
            try await exchange.sendEvent(#"{"error":{"message":"the prompt is too long","code":400}}"#)
            try await exchange.sendEvent("[DONE]")
            try await exchange.finishStream()
        }) { proxy in
            let response = try await proxy.chat(Chat.stream)
            #expect(response.bodyText.hasSuffix("too long\",\"code\":400}}\n\ndata: [DONE]\n\n"))
            // No such turn has succeeded yet, so it is repeated without the injection.
            #expect(proxy.engine.requests.count == 2)
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.outcome == "upstream_error" && record.status == 200)
        }
    }

    @Test("An error in the body of a reply with status 200 is passed on and recorded")
    func anErrorInAWholeReply()
        async throws
    {
        let body = #"{"error":"Unexpected endpoint or method."}"#
        try await withProxy(script: { exchange in
            try await exchange.respond(headers: [("Content-Type", "application/json")], body: body)
        }) { proxy in
            for request in [Chat.unary, Chat.stream] {
                let response = try await proxy.chat(request)
                #expect(response.status == 200 && response.bodyText == body)
            }
            #expect(try await proxy.finalRecords().map(\.outcome) == ["upstream_error", "upstream_error"])
        }
    }
}
