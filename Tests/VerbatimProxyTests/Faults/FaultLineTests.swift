import Foundation
import NIOCore
import TestSupport
import Testing
import VerbatimHTTP
import VerbatimProxy
import VerbatimTesting

@Suite("Broken connections, at every byte of either direction", .onOwnThreads, .timeLimit(.minutes(10)))
struct FaultLineTests {
    /// The end of a reply is then the end of the connection.
    private static let close = ("Connection", "close")

    /// The first byte at which a line can break: a connection that is reset at once may not be established.
    private static func first(_ how: FaultLine.Fault.Action) -> Int { how == .reset ? 1 : 0 }

    // MARK: The line to the engine

    @Test(
        "A stream that is cut off gives the agent its complete events and no regular end",
        arguments: [FaultLine.Fault.Action.close, .reset])
    func aStreamIsCutOff(how: FaultLine.Fault.Action) async throws {
        let reply = FixedReply.stream
        try await withFaultyEngine(reply) { proxy, line in
            let whole = try await proxy.chat(Chat.stream)
            try #require(whole.complete && whole.status == 200)
            var outcomes: [String] = []
            var tokenCounts: [Int] = []
            // A reset discards unread bytes, so that single bytes need not be tested.
            let offsets = how == .close ? reply.tellingOffsets : Array(stride(from: 0, to: reply.bytes.count, by: 31))
            for offset in offsets {
                line.plan(.init(toClient: .init(how, at: offset)))
                let agent = try await proxy.startChat(Chat.stream, headers: [Self.close])
                let answer = try await agent.readToEnd()
                await agent.close()
                let passed = reply.payload(before: offset)
                if answer.text.hasPrefix("HTTP/1.1 502 ") {
                    #expect(!reply.hasHead(before: offset) || how == .reset, "byte \(offset): the head had come")
                    outcomes.append("upstream_disconnected")
                    tokenCounts.append(0)
                    continue
                }
                #expect(!answer.text.hasSuffix("\r\n0\r\n\r\n"), "byte \(offset): a regular end")
                let body = try Self.dechunked(answer.text)
                #expect(whole.bodyText.hasPrefix(body), "byte \(offset): not what was sent")
                if how == .close {
                    // The terminal event ends the turn, although its framing is incomplete.
                    outcomes.append(passed.contains("[DONE]\n\n") ? "completed" : "upstream_disconnected")
                    tokenCounts.append(
                        passed.split(separator: "\n\n", omittingEmptySubsequences: false).dropLast().count {
                            $0.contains("token_ids\":[")
                        })
                }
            }
            let records = try await proxy.finalRecords().dropFirst()
            #expect(records.count == offsets.count, "one record for each turn")
            if how == .close {
                #expect(records.map(\.outcome) == outcomes)
                #expect(records.map(\.tokenIDs.count) == tokenCounts)
            }
            #expect(records.allSatisfy { $0.tokenIDs == Array((1...4).prefix($0.tokenIDs.count)) })
            #expect(records.allSatisfy { $0.outcome == "completed" || !$0.isComplete })
        }
    }

    @Test(
        "No part of a whole reply that is cut off reaches the agent",
        arguments: [FaultLine.Fault.Action.close, .reset])
    func aWholeReplyIsCutOff(how: FaultLine.Fault.Action) async throws {
        let reply = FixedReply.unary
        try await withFaultyEngine(reply) { proxy, line in
            let offsets = stride(from: Self.first(how), to: reply.bytes.count, by: 7)
            for offset in offsets {
                line.plan(.init(toClient: .init(how, at: offset)))
                let response = try await proxy.chat()
                #expect(response.status == 502 && response.complete, "byte \(offset)")
                #expect(try response.errorMessage().contains("the upstream closed the connection early"))
            }
            line.plan(.init())
            #expect(try await proxy.chat().status == 200)
            let outcomes = try await proxy.finalRecords().map(\.outcome)
            #expect(outcomes.dropLast().allSatisfy { $0 == "upstream_disconnected" } && outcomes.last == "completed")
            #expect(outcomes.count == Array(offsets).count + 1)
        }
    }

    @Test("An engine that falls silent anywhere in its reply is disconnected after the idle timeout")
    func theEngineFallsSilent() async throws {
        let reply = FixedReply.stream
        let clock = ManualClock()
        try await withFaultyEngine(
            reply,
            {
                $0.clock = HTTPClock(clock)
                $0.idleTimeout = .seconds(5)
            }
        ) { proxy, line in
            #expect(try await proxy.chat(Chat.stream).complete)
            let offsets = Array(stride(from: 0, to: reply.bytes.count - 1, by: reply.bytes.count / 12))
            for (number, offset) in offsets.enumerated() {
                line.plan(.init(toClient: .init(.stall, at: offset)))
                let agent = try await proxy.startChat(Chat.stream, headers: [Self.close])
                await proxy.engine.waitForRequests(number + 2)
                await line.waitForBytesToClient(offset)
                // Each byte that the proxy reads begins the silence anew.
                while !agent.isClosed {
                    try await proxy.catchUp()
                    try await clock.advance(by: .seconds(5))
                }
                let answer = try await agent.readToEnd()
                await agent.close()
                let isTold = answer.text.hasPrefix("HTTP/1.1 504 ")
                #expect(isTold || reply.hasHead(before: offset), "byte \(offset)")
                #expect(isTold || !answer.text.hasSuffix("\r\n0\r\n\r\n"), "byte \(offset)")
            }
            let records = try await proxy.finalRecords().dropFirst()
            #expect(records.allSatisfy { $0.outcome == "timeout" || $0.outcome == "completed" })
            #expect(records.count == offsets.count)
        }
    }

    @Test(
        "A turn whose reply has a corrupted byte ends, has one record and does not affect others",
        arguments: [true, false])
    func corruptedReplyByteAffectsOnlyItsTurn(isStream: Bool) async throws {
        let reply = isStream ? FixedReply.stream : .unary
        let clock = ManualClock()
        try await withFaultyEngine(
            reply,
            {
                $0.clock = HTTPClock(clock)
                $0.idleTimeout = .seconds(5)
            }
        ) { proxy, line in
            let offsets = Array(stride(from: 0, to: reply.bytes.count, by: isStream ? 13 : 7))
            for offset in offsets {
                line.plan(.init(toClient: .init(.corrupt, at: offset)))
                let agent = try await proxy.startChat(isStream ? Chat.stream : Chat.unary, headers: [Self.close])
                // With a wrong length the proxy waits for bytes that never come.
                await line.waitForBytesToClient(reply.bytes.count)
                // Each byte that the proxy reads begins the silence anew.
                while !agent.isClosed {
                    try await proxy.catchUp()
                    try await clock.advance(by: .seconds(5))
                }
                let answer = try await agent.readToEnd()
                await agent.close()
                #expect(answer.text.hasPrefix("HTTP/1.1 ") || answer.text.isEmpty, "byte \(offset): \(answer.text)")
            }
            line.plan(.init())
            #expect(try await proxy.chat(isStream ? Chat.stream : Chat.unary).complete)
            let records = try await proxy.finalRecords()
            #expect(records.map(\.turn) == Array(1...offsets.count + 1))
        }
    }

    @Test("A reply that arrives byte by byte is passed on and recorded like any other", arguments: [true, false])
    func replyMayArriveByteByByte(isStream: Bool) async throws {
        try await withFaultyEngine(isStream ? .stream : .unary) { proxy, line in
            let whole = try await proxy.chat(isStream ? Chat.stream : Chat.unary)
            line.plan(.init(toServer: .init(.crawl, at: 0), toClient: .init(.crawl, at: 0)))
            let slow = try await proxy.chat(isStream ? Chat.stream : Chat.unary)
            #expect(slow.complete && slow.body == whole.body && slow.rawHead == whole.rawHead)
            let records = try await proxy.finalRecords()
            #expect(records.map(\.tokenIDs) == [[1, 2, 3, 4], [1, 2, 3, 4]])
            #expect(records.allSatisfy { $0.isComplete == records[0].isComplete && $0.outcome == "completed" })
        }
    }

    // MARK: The line to the agent

    @Test(
        "A request that is cut off reaches neither engine nor trace", arguments: [FaultLine.Fault.Action.close, .reset])
    func aRequestIsCutOff(how: FaultLine.Fault.Action) async throws {
        try await withFaultyAgent { proxy, line in
            let request = requestBytes("POST", path: Chat.path, body: Array(Chat.unary.utf8))
            for offset in Self.first(how)..<request.count {
                line.plan(.init(toServer: .init(how, at: offset)))
                let agent = try await RawAgent.connect(port: line.port)
                // The line may break while the request is sent.
                try? await agent.send(request)
                _ = try await agent.readToEnd()
                await agent.close()
            }
            line.plan(.init())
            #expect(try await post(port: line.port, path: Chat.path, body: Chat.unary).status == 200)
            #expect(proxy.engine.requests.count == 1)
            #expect(try await proxy.finalRecords().map(\.turn) == [1])
        }
    }

    @Test("A corrupted byte in a request makes an error or another request, never two")
    func corruptedRequestByteNeverMakesTwoRequests()
        async throws
    {
        try await withFaultyAgent { proxy, line in
            let request = requestBytes("POST", path: Chat.path, body: Array(Chat.unary.utf8))
            for offset in request.indices {
                line.plan(.init(toServer: .init(.corrupt, at: offset)))
                let before = proxy.engine.requests.count
                let agent = try await RawAgent.connect(port: line.port)
                try await agent.send(request)
                try await agent.halfClose()
                let answer = try await agent.readToEnd()
                await agent.close()
                #expect(proxy.engine.requests.count - before <= 1, "byte \(offset): several requests")
                #expect(answer.text.isEmpty || answer.text.hasPrefix("HTTP/1.1 "), "byte \(offset): \(answer.text)")
            }
            #expect(proxy.engine.problems.isEmpty, "the engine received bytes that are not a request")
            line.plan(.init())
            #expect(try await post(port: line.port, path: Chat.path, body: Chat.unary).status == 200)
        }
    }

    @Test(
        "An agent that is lost within its reply leaves one record, with no more than the engine sent",
        arguments: [FaultLine.Fault.Action.close, .reset])
    func anAgentIsLostWithinItsReply(how: FaultLine.Fault.Action) async throws {
        try await withFaultyAgent { proxy, line in
            let whole = try await post(port: line.port, path: Chat.path, body: Chat.stream)
            let length = whole.rawHead.count + whole.body.count
            let offsets = Array(stride(from: Self.first(how), to: length, by: 37))
            for offset in offsets {
                line.plan(.init(toClient: .init(how, at: offset)))
                let agent = try await RawAgent.connect(port: line.port)
                try? await agent.send(requestBytes("POST", path: Chat.path, body: Array(Chat.stream.utf8)))
                _ = try await agent.readToEnd()
                await agent.close()
            }
            let records = try await proxy.finalRecords()
            #expect(records.count <= offsets.count + 1)
            #expect(records.allSatisfy { ["completed", "client_disconnected"].contains($0.outcome) })
            #expect(
                records.allSatisfy { $0.tokenIDs == Array(records[0].tokenIDs.prefix($0.tokenIDs.count)) })
        }
    }

    /// The content of a reply's chunks.
    private static func dechunked(_ reply: String) throws -> String {
        var rest = try #require(reply.firstRange(of: "\r\n\r\n").map { reply[$0.upperBound...] })
        var body = ""
        while let line = rest.firstRange(of: "\r\n"), let size = Int(rest[..<line.lowerBound], radix: 16), size > 0 {
            let chunk = rest[line.upperBound...].utf8.prefix(size)
            body += String(Substring(chunk))
            rest = Substring(rest[line.upperBound...].utf8.dropFirst(size + 2))
        }
        return body
    }
}

/// A reply with known bytes.
private struct FixedReply: Sendable {
    let bytes: [UInt8]
    private let headLength: Int
    private let payloadRanges: [Range<Int>]

    /// Four tokens, then `[DONE]`.
    static let stream = FixedReply(
        head: "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        chunks: ((1...4).map(Chat.event) + [Chat.finish, "[DONE]"]).map { "data: \($0)\n\n" })

    static let unary = FixedReply(
        head: "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        chunks: [
            #"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"#,
            #""assistant","content":"abcd"},"logprobs":{"content":["#
                + (1...4).map { #"{"token":"\#($0)","logprob":-0.5,"bytes":null,"top_logprobs":[]}"# }
                .joined(separator: ",") + #"]},"finish_reason":"stop","token_ids":[1,2,3,4]}],"#,
            #""usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#,
        ])

    private init(head: String, chunks: [String]) {
        var bytes = Array(head.utf8)
        headLength = bytes.count
        var ranges: [Range<Int>] = []
        for chunk in chunks {
            bytes += Array("\(String(chunk.utf8.count, radix: 16))\r\n".utf8)
            ranges.append(bytes.count..<bytes.count + chunk.utf8.count)
            bytes += Array("\(chunk)\r\n".utf8)
        }
        self.bytes = bytes + Array("0\r\n\r\n".utf8)
        payloadRanges = ranges
    }

    /// The offsets around the borders of the head and the chunks, and some in between.
    var tellingOffsets: [Int] {
        let borders = [headLength] + payloadRanges.flatMap { [$0.lowerBound, $0.upperBound] } + [bytes.count]
        return bytes.indices.filter { offset in offset % 29 == 0 || borders.contains { abs($0 - offset) < 6 } }
    }

    /// Whether the first `offset` bytes include the head.
    func hasHead(before offset: Int) -> Bool { offset >= headLength }

    /// The part of the body among the first `offset` bytes.
    func payload(before offset: Int) -> String {
        String(decoding: payloadRanges.flatMap { bytes[$0.clamped(to: 0..<offset)] }, as: UTF8.self)
    }
}

/// Runs `body` with a proxy whose connections to the engine pass a ``FaultLine``.
private func withFaultyEngine(
    _ reply: FixedReply, _ configure: (inout ProxySetup) -> Void = { _ in },
    _ body: (ProxyHarness, FaultLine) async throws -> Void
) async throws {
    let line = try await FaultLine.start()
    try await withProxy {
        $0.upstreamURL = "http://127.0.0.1:\(line.port)"
        $0.threads = 1
        // Each turn has its own connection, so that its bytes can be counted.
        $0.engineKeepAlive = .nanoseconds(0)
        configure(&$0)
    } script: {
        try await $0.send(String(decoding: reply.bytes, as: UTF8.self))
    } _: { proxy in
        line.connect(to: proxy.engine.port)
        try await body(proxy, line)
    }
    await line.stop()
}

/// Runs `body` with a proxy whose agents connect through a ``FaultLine``.
private func withFaultyAgent(_ body: (ProxyHarness, FaultLine) async throws -> Void) async throws {
    let line = try await FaultLine.start()
    try await withProxy(script: Chat.engine.serve) { proxy in
        line.connect(to: proxy.port)
        try await body(proxy, line)
    }
    await line.stop()
}
