import TestSupport
import Testing
import VerbatimProxy
import VerbatimTesting

@Suite("Replies that are not what was requested, or cannot be read", .onOwnThreads, .timeLimit(.minutes(10)))
struct ReplyShapeTests {
    private static let json = ("Content-Type", "application/json")

    @Test("No memory is reserved for a length that is only declared")
    func declaredLengthReservesNoMemory() async throws {
        try await withProxy({ $0.maximumReplySize = .max }) { exchange in
            try await exchange.send(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9000000000000000000\r\n\r\n{")
            await exchange.close()
        } _: { proxy in
            let response = try await proxy.chat()
            #expect(response.status == 502)
        }
    }

    @Test("A whole reply to a request for a stream is captured as such")
    func aWholeReplyToAStreamRequest() async throws {
        try await withProxy(script: { exchange in
            try await exchange.respond(
                headers: [Self.json],
                body: Chat.body().replacing(
                    "\"logprobs\":null", with: #""logprobs":{"content":[{"token":"x","logprob":-1.5}]},"token_ids":[7]"#
                ))
        }) { proxy in
            let response = try await proxy.chat(Chat.stream)
            #expect(response.status == 200 && response.complete && response.header("Transfer-Encoding") == nil)
            #expect(response.bodyText.contains(#""logprobs":null"#))
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.outcome == "completed" && record.isStream)
            #expect(record.tokenIDs == [7] && record.logprobs == [-1.5] && record.content == "hello")
        }
    }

    enum Framing: CaseIterable, Sendable {
        case length, chunked, close

        func send(_ status: Int, _ headers: String, _ body: [UInt8], on exchange: MockExchange) async throws {
            let head = "HTTP/1.1 \(status) So\r\n\(headers)"
            switch self {
            case .length:
                try await exchange.send("\(head)Content-Length: \(body.count)\r\n\r\n")
                try await exchange.send(body)
            case .chunked:
                try await exchange.send("\(head)Transfer-Encoding: Chunked\r\n\r\n")
                for start in stride(from: 0, to: body.count, by: 1000) {
                    try await exchange.sendChunk(Array(body[start...].prefix(1000)))
                }
                try await exchange.finishStream()
            case .close:
                try await exchange.send("\(head)Connection: close\r\n\r\n")
                try await exchange.send(body)
                await exchange.close()
            }
        }
    }

    @Test("A reply that is too large to hold passes unrestored", arguments: Framing.allCases, [200, 500])
    func aReplyThatIsTooLarge(framing: Framing, status: Int) async throws {
        let text = Chat.body(content: String(repeating: "x", count: 5000))
            .replacing("\"logprobs\":null", with: #""logprobs":{"content":[]}"#)
        let body = Array(text.utf8)
        try await withProxy(
            { $0.maximumReplySize = 4000 },
            script: { exchange in
                try await framing.send(status, "Content-Type: application/json\r\n", body, on: exchange)
            }
        ) { proxy in
            let agent = try await proxy.connect()
            for _ in 1...2 {
                try await agent.send(requestBytes("POST", path: Chat.path, body: Array(Chat.unary.utf8)))
                let response = try await agent.readResponse()
                #expect(response.status == status && response.reason == "So" && response.complete)
                #expect(response.body == body)
                #expect((response.header("Content-Length") != nil) == (framing == .length))
            }
            let records = try await proxy.finalRecords()
            #expect(records.map(\.turn) == [1, 2])
            for record in records {
                #expect(record.outcome == (status == 200 ? "completed" : "upstream_error"))
                #expect(record.status == status && record.upstreamStatus == status)
                #expect(record.problems == ["reply_too_large"] && record.level == "none" && !record.isComplete)
            }
        }
    }

    @Test("A large reply that is cut off has no regular end", arguments: Framing.allCases)
    func aReplyThatIsTooLargeAndCutOff(framing: Framing) async throws {
        let isVisible = Monitor(false)
        try await withProxy(
            { $0.maximumReplySize = 10 },
            script: { exchange in
                switch framing {
                case .length: try await exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
                case .chunked: try await exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n32\r\n")
                case .close: try await exchange.send("HTTP/1.1 200 OK\r\n\r\n")
                }
                try await exchange.send(String(repeating: "x", count: 50))
                await isVisible.wait { $0 }
                await exchange.reset()
            }
        ) { proxy in
            let agent = try await proxy.startChat()
            _ = try await agent.read(until: "\r\n\r\n")
            _ = try await agent.read(until: "xxxxx")
            isVisible.update { $0 = true }
            try await agent.expectAbort()
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.outcome == "upstream_disconnected" && record.status == 200)
        }
    }

    @Test("After an event that is too large the stream passes unrestored")
    func anEventThatIsTooLarge() async throws {
        let large = "{\"x\":\"" + String(repeating: "x", count: 50_000) + "\"}"
        try await withProxy(
            { $0.maximumEventSize = 10_000 },
            script: { exchange in
                try await exchange.startEventStream()
                for event in [Chat.event(1), large, Chat.event(2), Chat.finish, "[DONE]"] {
                    try await exchange.sendEvent(event)
                }
                try await exchange.finishStream()
            }
        ) { proxy in
            for _ in 1...2 {
                let response = try await proxy.chat(Chat.stream)
                #expect(response.complete && response.bodyText.contains("data: \(large)\n\n"))
                #expect(
                    response.bodyText.hasSuffix("data: \(Chat.event(2))\n\ndata: \(Chat.finish)\n\ndata: [DONE]\n\n"))
            }
            for record in try await proxy.finalRecords() {
                #expect(record.outcome == "completed" && record.problems.contains("reply_too_large"))
                #expect(record.tokenIDs == [1] && !record.isComplete)
            }
        }
    }

    @Test("A first event that is too large releases the head")
    func aFirstEventThatIsTooLarge() async throws {
        let large = String(repeating: "x", count: 50_000)
        try await withProxy(
            { $0.maximumEventSize = 10_000 },
            script: { exchange in
                try await exchange.startEventStream()
                try await exchange.sendChunk(": a comment\n\n")
                try await exchange.sendEvent(large)
                try await exchange.sendEvent("[DONE]")
                try await exchange.finishStream()
            }
        ) { proxy in
            let response = try await proxy.chat(Chat.stream)
            #expect(response.complete && response.bodyText == ": a comment\n\ndata: \(large)\n\ndata: [DONE]\n\n")
            #expect(try await proxy.finalRecords().map(\.problems) == [["reply_too_large"]])
        }
    }

    @Test("A compressed reply passes unrestored", arguments: ["application/json", "text/event-stream"], [200, 500])
    func aCompressedReply(type: String, status: Int) async throws {
        let body: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 0xFF, 0x0A, 0x0A, 0x0D]
        try await withProxy(script: { exchange in
            try await exchange.respond(
                status: status, headers: [("Content-Type", type), ("Content-Encoding", "gzip")], body: body)
        }) { proxy in
            let response = try await proxy.chat(Chat.stream, headers: [("Accept-Encoding", "gzip, br")])
            #expect(response.status == status && response.body == body && response.header("Content-Encoding") == "gzip")
            #expect(proxy.engine.requests.allSatisfy { $0.headerValues("Accept-Encoding") == ["identity"] })
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.outcome == (status == 200 ? "completed" : "upstream_error") && record.level == "none")
            #expect(record.problems.contains("reply_compressed") || status == 500)
            #expect(!record.isComplete)
        }
    }

    @Test("A reply with NaN passes, and its record is valid JSON")
    func replyWithNaNHasAValidRecord() async throws {
        let body =
            #"{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"#
            + #""logprobs":{"content":[{"token":"a","logprob":NaN},{"token":"b","logprob":-Infinity}]},"#
            + #""token_ids":[1,2],"finish_reason":"stop","x":NaN}],"usage":{"completion_tokens":2,"cost":Infinity}}"#
        try await withProxy(script: { try await $0.respond(headers: [Self.json], body: body) }) { proxy in
            let response = try await proxy.chat()
            #expect(response.bodyText.contains(#""x":NaN"#) && response.bodyText.contains(#""cost":Infinity"#))
            #expect(response.bodyText.contains(#""logprobs":null"#))
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.outcome == "completed" && record.tokenIDs == [1, 2] && record.logprobs == [nil, nil])
            #expect(record.problems.contains("non_finite_number") && !record.isComplete)
        }
    }

    @Test(
        "A reply that is not JSON passes unrestored",
        arguments: ["", "not JSON", "[1]", "{\"choices\":"], [Chat.unary, Chat.stream])
    func aReplyThatIsNotJSON(body: String, request: String) async throws {
        try await withProxy(script: { try await $0.respond(headers: [Self.json], body: body) }) { proxy in
            let response = try await proxy.chat(request)
            #expect(response.status == 200 && response.bodyText == body && response.complete)
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.status == 200 && record.problems.contains("reply_not_json") && !record.isComplete)
        }
    }

    @Test("Trailers of the engine are not passed on", arguments: [Chat.path, "/v1/x"])
    func trailersAreLeftOut(path: String) async throws {
        try await withProxy(script: { exchange in
            try await exchange.send(
                "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + "2;ext=1\r\n{}\r\n0\r\nX-Sum: 1\r\n\r\n")
        }) { proxy in
            let agent = try await proxy.connect()
            for _ in 1...2 {
                try await agent.send(requestBytes("POST", path: path, body: Array(Chat.unary.utf8)))
                let response = try await agent.readResponse()
                #expect(response.bodyText == "{}" && response.complete && response.header("Trailer") == nil)
            }
            #expect(proxy.engine.connectionCount == 1)
        }
    }
}
