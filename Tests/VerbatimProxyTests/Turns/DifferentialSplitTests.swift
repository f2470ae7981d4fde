import TestSupport
import Testing
import VerbatimAPI
import VerbatimProxy
import VerbatimTesting

@Suite(
    "Where the network splits a stream changes neither the reply nor the record", .onOwnThreads,
    .timeLimit(.minutes(10)))
struct DifferentialSplitTests {
    /// How the engine writes its events.
    enum Style: String, CaseIterable, Sendable {
        case lf, crlf, cr, mixed

        /// The stream of `events`, the last of which is `[DONE]`.
        func stream(_ events: [String]) -> [UInt8] {
            switch self {
            case .lf: return Array(events.map { "data: \($0)\n\n" }.joined().utf8)
            case .crlf: return Array((events.map { "data: \($0)\r\n\r\n" }.joined()).utf8)
            case .cr: return Array(events.map { "data:\($0)\r\r" }.joined().utf8)
            case .mixed:
                // A byte order mark, comments, names, ids, data on two lines, unknown and empty events.
                var text = "\u{FEFF}: hello\r\n\r\n"
                for (index, event) in events.enumerated() {
                    let lines = event.replacing(",\"choices\"", with: "\r\ndata: ,\"choices\"")
                    text += "event: message\nid: 7\ndata: \(lines)\r\n\n: keep-alive\n\n"
                    if index == 0 { text += "event: ping\n\ndata: null\n\ndata\n\n\n\n" }
                }
                return Array(text.utf8)
            }
        }
    }

    static let reply = ScriptedReply(
        .content([ScriptedToken(21, "é", "-8.283243179321289"), ScriptedToken(22, "😀", "-0.0")])
            + .swallowed([ScriptedToken(23, "<x>", "-1e-5")]),
        stopToken: ScriptedToken(2, "</s>", "-0.25"))
    static let chat = ScriptedChat(.vllm, .always([reply]))
    /// None of its events is dropped, so that the comments between them are the same with capture and without.
    static let visible = ScriptedChat(
        .vllm,
        .always([
            ScriptedReply(
                .content([ScriptedToken(21, "é", "-8.283243179321289"), ScriptedToken(22, "😀", "-0.0")])
                    + .reasoning([ScriptedToken(23, "<x>", "-1e-5")]), stopToken: reply.stopToken)
        ]))
    static let body = CaptureRequest(stream: true, usage: true).body

    /// Answers in the style that a header of the request names, split as another header specifies: at one offset
    /// (`at 17`), or after every so many bytes (`each 3`, or `raw 3` to split the framing as well).
    @Sendable static func serve(_ exchange: MockExchange) async throws {
        let bytes = try stream(
            to: exchange.request, style: #require(exchange.request.header("X-Style").flatMap(Style.init)))
        let cut = (exchange.request.header("X-Cut") ?? "each 1000000").split(separator: " ")
        let place = try #require(Int(cut[1]))
        var pieces = [Array(bytes.prefix(place)), Array(bytes.dropFirst(place))]
        if cut[0] != "at" {
            pieces = stride(from: 0, to: bytes.count, by: place).map { Array(bytes[$0..<min($0 + place, bytes.count)]) }
        }
        if cut[0] == "raw" { return try await serveRaw(pieces, of: place, on: exchange) }
        try await exchange.startEventStream()
        for piece in pieces { try await exchange.sendChunk(piece) }
        try await exchange.finishStream()
    }

    /// Sends the head and the framing, too, in writes of a few bytes.
    private static func serveRaw(_ pieces: [[UInt8]], of size: Int, on exchange: MockExchange) async throws {
        var bytes = Array(
            "HTTP/1.1 200 Very  Fine\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
        for piece in pieces { bytes += Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + [13, 10] }
        bytes += Array("0\r\n\r\n".utf8)
        for start in stride(from: 0, to: bytes.count, by: size) {
            try await exchange.send(Array(bytes[start..<min(start + size, bytes.count)]))
        }
    }

    static func stream(to request: MockRequest, style: Style) throws -> [UInt8] {
        guard case .stream(_, let events) = (style == .mixed ? visible : chat).answer(request) else {
            throw RawAgentError.malformed("no stream")
        }
        return style.stream(events)
    }

    /// The reply to a request without the injection.
    static func plainStream(_ style: Style) throws -> [UInt8] {
        try stream(
            to: MockRequest(method: "POST", target: CaptureProxy.path, headers: [], body: Array(body.utf8)),
            style: style)
    }

    private func exchange(_ agent: RawAgent, _ style: Style, cut: String) async throws -> RawResponse {
        let headers = CaptureProxy.headers + [("X-Style", style.rawValue), ("X-Cut", cut)]
        try await agent.send(
            requestBytes("POST", path: CaptureProxy.path, headers: headers, body: Array(Self.body.utf8)))
        return try await agent.readResponse()
    }

    private func settings(_ settings: inout ProxySettings) {
        settings.policy.topLogprobs = 0
    }

    @Test("A stream may be split once at any byte", arguments: Style.allCases) func anywhereOnce(style: Style)
        async throws
    {
        try await CaptureProxy.run(Self.serve, settings) { proxy in
            let agent = try await RawAgent.connect(port: proxy.server.port)
            let plain = try Self.plainStream(style)
            var count = 0
            // The offsets are those of the captured stream, which is longer than the plain one.
            _ = try await exchange(agent, style, cut: "each 1000000")
            let captured = try Self.stream(to: #require(proxy.engine.requests.first), style: style)
            #expect(captured.count > plain.count)
            for place in stride(from: 1, to: captured.count, by: style == .lf ? 3 : 11) {
                let response = try await exchange(agent, style, cut: "at \(place)")
                try #require(response.complete && response.body == plain, "cut at \(place)")
                count += 1
            }
            await agent.close()
            try expectAlike(try proxy.records(), count: count + 1)
        }
    }

    @Test("A stream may be split at every byte", arguments: Style.allCases) func everywhere(style: Style) async throws {
        try await CaptureProxy.run(Self.serve, settings) { proxy in
            let agent = try await RawAgent.connect(port: proxy.server.port)
            let plain = try Self.plainStream(style)
            for size in [1, 2, 3, 5, 7, 16, 61, 256, 1_000_000] {
                let response = try await exchange(agent, style, cut: "each \(size)")
                try #require(response.complete && response.body == plain, "pieces of \(size)")
            }
            await agent.close()
            try expectAlike(try proxy.records(), count: 9)
        }
    }

    @Test("A stream may be split at every byte of its chunked framing")
    func everywhereOnTheWire() async throws {
        try await CaptureProxy.run(Self.serve, settings) { proxy in
            let agent = try await RawAgent.connect(port: proxy.server.port)
            let plain = try Self.plainStream(.crlf)
            for size in [1, 3, 10] {
                let response = try await exchange(agent, .crlf, cut: "raw \(size)")
                #expect(response.complete && response.body == plain && response.reason == "Very  Fine")
            }
            await agent.close()
            try expectAlike(try proxy.records(), count: 3)
        }
    }

    /// Every record holds the script's tokens.
    private func expectAlike(_ records: [CaptureRecord], count: Int) throws {
        #expect(records.count == count)
        for record in records {
            try #require(record["completion_token_ids"] == "[21,22,23,2]", "\(record)")
            try #require(record["per_token_logps"] == "[-8.283243179321289,-0.0,-1e-5,-0.25]", "\(record)")
            try #require(record["prompt_token_ids"] == "[2021,1626,198]", "\(record)")
            try #require(record["response"] == records[0]["response"])
            try #require(try record.string("response", "choices", "0", "message", "content") == "é😀")
            try #require(record.capture == "tokens complete", "\(record)")
        }
    }
}
