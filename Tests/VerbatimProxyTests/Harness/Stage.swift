import TestSupport
import Testing
import VerbatimTesting

/// How far an exchange has come when a fault occurs.
enum Stage: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case unaryBeforeHead
    case unaryInBody
    case unaryInChunkedBody
    case streamBeforeHead
    /// The engine has sent its head, which the proxy holds until the capability is known.
    case silentPrefill
    /// The capability is known, and the agent has the head.
    case openPrefill
    case midStream
    /// A stream that ends with its connection.
    case midUnframedStream

    static let unary: [Stage] = [.unaryBeforeHead, .unaryInBody, .unaryInChunkedBody]

    var testDescription: String { rawValue }

    var isUnary: Bool { Self.unary.contains(self) }
    var request: String { isUnary ? Chat.unary : Chat.stream }

    var agentHasHead: Bool {
        switch self {
        case .openPrefill, .midStream, .midUnframedStream: true
        default: false
        }
    }

    /// The engine's status, if the proxy knows it.
    var engineStatus: Int? {
        switch self {
        case .unaryBeforeHead, .streamBeforeHead: nil
        default: 200
        }
    }

    /// The tokens that have arrived by then.
    var tokenIDs: [Int] {
        switch self {
        case .midStream, .midUnframedStream: [1, 2]
        default: []
        }
    }

    /// The number of records before the exchange.
    var recordsBefore: Int { self == .openPrefill ? 1 : 0 }

    /// Lets the proxy learn the capability if the stage requires it.
    func prepare(_ proxy: ProxyHarness) async throws {
        guard self == .openPrefill else { return }
        let response = try await proxy.chat(request, headers: [Chat.warmUpHeader])
        try #require(response.complete)
    }

    /// Sends the engine's part of the exchange.
    func play(_ exchange: MockExchange) async throws {
        switch self {
        case .unaryBeforeHead, .streamBeforeHead: break
        case .unaryInBody:
            try await exchange.send(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"id\":\"c\",")
        case .unaryInChunkedBody:
            try await exchange.startEventStream(headers: [("Content-Type", "application/json")])
            try await exchange.sendChunk(#"{"id":"c","#)
        case .silentPrefill, .openPrefill: try await exchange.startEventStream()
        case .midStream:
            try await exchange.startEventStream()
            try await exchange.sendEvent(Chat.event(1))
            try await exchange.sendEvent(Chat.event(2))
        case .midUnframedStream:
            try await exchange.send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
                    + "data: \(Chat.event(1))\n\ndata: \(Chat.event(2))\n\n")
        }
    }

    /// Completes the reply.
    func finish(_ exchange: MockExchange) async throws {
        switch self {
        case .unaryBeforeHead, .streamBeforeHead: try await Chat.engine.serve(exchange)
        case .unaryInBody:
            let rest = #""choices":[]}"#
            try await exchange.send(String(repeating: " ", count: 990 - rest.utf8.count) + rest)
        case .unaryInChunkedBody:
            try await exchange.sendChunk(#""choices":[]}"#)
            try await exchange.finishStream()
        case .silentPrefill, .openPrefill, .midStream:
            for event in [Chat.event(3), Chat.finish, "[DONE]"] { try await exchange.sendEvent(event) }
            try await exchange.finishStream()
        case .midUnframedStream:
            try await exchange.send("data: \(Chat.finish)\n\ndata: [DONE]\n\n")
            await exchange.close()
        }
    }

    /// Reads what the agent gets up to the stage.
    func readVisiblePart(_ agent: RawAgent) async throws {
        if agentHasHead {
            let head = try await agent.read(until: "\r\n\r\n")
            #expect(String(decoding: head, as: UTF8.self).hasPrefix("HTTP/1.1 200 OK\r\n"))
        }
        if !tokenIDs.isEmpty { _ = try await agent.read(until: "t2 ") }
    }
}

extension RawAgent {
    /// Reads everything up to the end of the connection, and returns how it ended.
    func readToEnd() async throws -> (text: String, end: CloseKind) {
        do {
            return (String(decoding: try await readUntilClosed(), as: UTF8.self), .eof)
        } catch RawAgentError.ended(let end, let bytes) {
            return (String(decoding: bytes, as: UTF8.self), end)
        }
    }

    /// Expects the connection to end without a regular end of the reply.
    func expectAbort(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let rest = try await readToEnd()
        #expect(!rest.text.hasSuffix("0\r\n\r\n"), sourceLocation: sourceLocation)
        #expect(!rest.text.contains("[DONE]"), sourceLocation: sourceLocation)
    }
}

extension RawResponse {
    /// The message of an error in OpenAI's form, which must also have a type and a code.
    func errorMessage() throws -> String {
        let error = try OpenAIError(body)
        return error.message
    }
}
