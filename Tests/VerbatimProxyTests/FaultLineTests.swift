import Foundation
import VerbatimTesting
import NIOCore
import VerbatimProxy
import TestSupport
import Testing

/// The line to the engine breaks, and the line to the agent, at every byte.
@Suite(.onOwnThreads, .timeLimit(.minutes(10))) struct FaultLineTests {
    /// The end of a reply is then the end of the connection.
    private static let close = ("Connection", "close")

    /// The first byte at which a line can be cut off: one that is reset before it has carried any may never come about.
    private static func first(_ how: FaultLine.Fault.Action) -> Int { how == .reset ? 1 : 0 }

    // MARK: The line to the engine

    /// Wherever a stream is cut off, the agent gets the events that came whole and cannot take the end for a regular one.
    @Test(arguments: [FaultLine.Fault.Action.close, .reset])
    func aStreamIsCutOff(how: FaultLine.Fault.Action) async throws {
        let reply = FixedReply.stream
        try await withFaultyEngine(reply) { proxy, line in
            let whole = try await proxy.chat(Chat.stream)
            try #require(whole.complete && whole.status == 200)
            var outcomes: [String] = []
            var tokenCounts: [Int] = []
            // What a reset leaves unread is lost, so that it says less of each single byte.
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
                    // The terminal event ends the turn; only its framing is missing.
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

    /// A whole reply that is cut off never reaches the agent in part.
    @Test(arguments: [FaultLine.Fault.Action.close, .reset])
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

    /// An engine that falls silent is left when the silence has lasted too long.
    @Test func theEngineFallsSilent() async throws {
        try await withPatience { try await theEngineFallsSilent(for: .milliseconds($0 ? 3000 : 100)) }
    }

    private func theEngineFallsSilent(for limit: TimeAmount) async throws {
        let reply = FixedReply.stream
        try await withFaultyEngine(reply, { $0.idleTimeout = limit }) { proxy, line in
            #expect(try await proxy.chat(Chat.stream).complete)
            let offsets = Array(stride(from: 0, to: reply.bytes.count - 1, by: reply.bytes.count / 12))
            for offset in offsets {
                line.plan(.init(toClient: .init(.stall, at: offset)))
                let agent = try await proxy.startChat(Chat.stream, headers: [Self.close])
                let answer = try await agent.readToEnd()
                await agent.close()
                // On a busy machine the silence may begin before the bytes that passed were read.
                let isTold = answer.text.hasPrefix("HTTP/1.1 504 ")
                #expect(isTold || reply.hasHead(before: offset), "byte \(offset)")
                #expect(isTold || !answer.text.hasSuffix("\r\n0\r\n\r\n"), "byte \(offset)")
            }
            let records = try await proxy.finalRecords().dropFirst()
            #expect(records.allSatisfy { $0.outcome == "timeout" || $0.outcome == "completed" })
            #expect(records.count == offsets.count)
        }
    }

    /// Whatever a wrong byte makes of a reply, the turn ends, is recorded once, and others are not touched by it.
    @Test(arguments: [true, false])
    func aByteOfTheReplyIsWrong(isStream: Bool) async throws {
        try await withPatience {
            try await aByteOfTheReplyIsWrong(isStream: isStream, silence: .milliseconds($0 ? 3000 : 200))
        }
    }

    private func aByteOfTheReplyIsWrong(isStream: Bool, silence: TimeAmount) async throws {
        let reply = isStream ? FixedReply.stream : .unary
        try await withFaultyEngine(reply, { $0.idleTimeout = silence }) { proxy, line in
            let offsets = Array(stride(from: 0, to: reply.bytes.count, by: isStream ? 13 : 7))
            for offset in offsets {
                line.plan(.init(toClient: .init(.corrupt, at: offset)))
                let agent = try await proxy.startChat(isStream ? Chat.stream : Chat.unary, headers: [Self.close])
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

    /// However slowly it comes, it is what the engine sent.
    @Test(arguments: [true, false])
    func theReplyCrawls(isStream: Bool) async throws {
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

    /// A request that does not come to its end is none: the engine hears nothing of it, and there is no record.
    @Test(arguments: [FaultLine.Fault.Action.close, .reset])
    func aRequestIsCutOff(how: FaultLine.Fault.Action) async throws {
        try await withFaultyAgent { proxy, line in
            let request = requestBytes("POST", path: Chat.path, body: Array(Chat.unary.utf8))
            for offset in Self.first(how)..<request.count {
                line.plan(.init(toServer: .init(how, at: offset)))
                let agent = try await RawAgent.connect(port: line.port)
                // The line may break while this is on its way.
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

    /// A wrong byte in a request is an error or another request, and never two.
    @Test func aByteOfTheRequestIsWrong() async throws {
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
            #expect(proxy.engine.problems.isEmpty, "the engine was sent what is no request")
            line.plan(.init())
            #expect(try await post(port: line.port, path: Chat.path, body: Chat.unary).status == 200)
        }
    }

    /// Wherever in its reply an agent is lost, there is one record, with no more than the engine said.
    @Test(arguments: [FaultLine.Fault.Action.close, .reset])
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

    /// The bodies of a reply's chunks, joined.
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

/// A reply whose every byte is known.
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

    /// Every byte around the borders of head and chunks, and some in between.
    var tellingOffsets: [Int] {
        let borders = [headLength] + payloadRanges.flatMap { [$0.lowerBound, $0.upperBound] } + [bytes.count]
        return bytes.indices.filter { offset in offset % 29 == 0 || borders.contains { abs($0 - offset) < 6 } }
    }

    /// Whether the head and a byte of the first event have passed with `offset` bytes.
    func hasHead(before offset: Int) -> Bool { offset >= headLength }

    /// The part of the body that has passed with `offset` bytes.
    func payload(before offset: Int) -> String {
        String(decoding: payloadRanges.flatMap { bytes[$0.clamped(to: 0..<offset)] }, as: UTF8.self)
    }
}

/// Runs `body` with a proxy that reaches its engine by a line that breaks.
private func withFaultyEngine(
    _ reply: FixedReply, _ configure: (inout ProxySettings) -> Void = { _ in },
    _ body: (ProxyHarness, FaultLine) async throws -> Void
) async throws {
    let line = try await FaultLine.start()
    let upstream = try UpstreamURL("http://127.0.0.1:\(line.port)")
    try await withServer {
        $0.upstream = upstream
        // Each turn has a connection of its own, so that its bytes can be counted.
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

/// Runs `body` with a proxy that agents reach by a line that breaks.
private func withFaultyAgent(_ body: (ProxyHarness, FaultLine) async throws -> Void) async throws {
    let line = try await FaultLine.start()
    try await withServer(script: Chat.engine.serve) { proxy in
        line.connect(to: proxy.port)
        try await body(proxy, line)
    }
    await line.stop()
}
