import TestSupport
import Testing
import VerbatimAPI
import VerbatimProxy
import VerbatimTesting

@Suite("Events are forwarded as soon as their last byte has arrived", .onOwnThreads, .timeLimit(.minutes(10)))
struct CaptureTimingTests {
    /// The events of a captured stream, and of the same stream without capture.
    struct Events {
        let captured: [String]
        let plain: [String]

        init(_ flavor: ScriptedChat.Flavor, request: CaptureRequest) throws {
            let chat = CaptureScript.chat(flavor)
            var asking = request
            asking.asksLogprobs = true
            asking.asksIDs = flavor == .vllm
            asking.more = request.more
            captured = try Self.events(chat.answer(toBody: Array(asking.body.utf8)))
            plain = try Self.events(chat.answer(toBody: Array(request.body.utf8)))
        }

        private static func events(_ answer: ScriptedAnswer) throws -> [String] {
            guard case .stream(_, let events) = answer else { throw RawAgentError.malformed("no stream") }
            return events.map { "data: \($0)\n\n" }
        }
    }

    @Test(
        "An event does not wait for the next one, before and after the capability is known",
        arguments: [ScriptedChat.Flavor.vllm, .openai])
    func anEventDoesNotWaitForTheNext(flavor: ScriptedChat.Flavor) async throws {
        let request = CaptureRequest(stream: true)
        let events = try Events(flavor, request: request)
        #expect(events.captured.count == events.plain.count && events.captured != events.plain)
        let seen = Monitor(0)
        let script: MockEngine.Script = { exchange in
            try await exchange.startEventStream()
            var sent = 0
            for (index, event) in events.captured.enumerated() {
                let bytes = Array(event.utf8)
                try await exchange.sendChunk(Array(bytes.dropFirst(sent)))
                guard index + 1 < events.captured.count else { break }
                let next = Array(events.captured[index + 1].utf8)
                sent = next.count / 2
                try await exchange.sendChunk(Array(next.prefix(sent)))
                await seen.wait { $0 > index }
            }
            try await exchange.finishStream()
        }
        try await CaptureProxy.run(script) {
            $0.engine = flavor == .openai ? .openAI : nil
        } _: { proxy in
            for _ in 1...3 {
                seen.update { $0 = 0 }
                let agent = try await proxy.agent(asking: request.body)
                _ = try await agent.read(until: "\r\n\r\n")
                for (index, event) in events.plain.enumerated() {
                    let chunk = String(event.utf8.count, radix: 16) + "\r\n" + event + "\r\n"
                    let bytes = try await agent.read(count: chunk.utf8.count)
                    #expect(String(decoding: bytes, as: UTF8.self) == chunk)
                    seen.update { $0 = index + 1 }
                }
                #expect(String(decoding: try await agent.read(count: 5), as: UTF8.self) == "0\r\n\r\n")
                await agent.close()
            }
            #expect(try proxy.records().allSatisfy { $0["outcome"] == #""completed""# && $0["ttft_s"] != "null" })
        }
    }

    @Test("Comments within a stream are forwarded at once")
    func commentsInMidStreamAreForwardedAtOnce() async throws {
        let events = try Events(.vllm, request: CaptureRequest(stream: true))
        let seen = Monitor(0)
        let script: MockEngine.Script = { exchange in
            try await exchange.startEventStream()
            try await exchange.sendChunk(events.captured[0])
            for count in 1...3 {
                try await exchange.sendChunk(": keep-alive\n\n")
                await seen.wait { $0 >= count }
            }
            // A comment between the lines of an event belongs to it.
            for event in events.captured.dropFirst() { try await exchange.sendChunk(": in\n" + event) }
            try await exchange.finishStream()
        }
        try await CaptureProxy.run(script) { proxy in
            for _ in 1...2 {
                seen.update { $0 = 0 }
                let agent = try await proxy.agent(asking: CaptureRequest(stream: true).body)
                _ = try await agent.read(until: events.plain[0] + "\r\n")
                for count in 1...3 {
                    let chunk = "e\r\n: keep-alive\n\n\r\n"
                    let bytes = try await agent.read(count: chunk.utf8.count)
                    #expect(String(decoding: bytes, as: UTF8.self) == chunk)
                    seen.update { $0 = count }
                }
                _ = try await agent.read(until: "0\r\n\r\n")
                await agent.close()
            }
        }
    }

    @Test(
        "The head of a stream waits for the first event only while the capability is unknown",
        arguments: [CaptureGoal.tokens, .text])
    func headWaitsOnlyWhileTheCapabilityIsUnknown(goal: CaptureGoal) async throws {
        let events = try Events(.vllm, request: CaptureRequest(stream: true))
        let hasBegun = Monitor(false)
        let mayGoOn = Monitor(false)
        let script: MockEngine.Script = { exchange in
            try await exchange.startEventStream()
            try await exchange.sendChunk(": one\n\n: two\n\n")
            hasBegun.update { $0 = true }
            await mayGoOn.wait { $0 }
            for event in goal == .text ? events.plain : events.captured { try await exchange.sendChunk(event) }
            try await exchange.finishStream()
        }
        try await CaptureProxy.run(script) {
            $0.policy.goal = goal
        } _: { proxy in
            for round in 1...2 {
                mayGoOn.update { $0 = false }
                let agent = try await proxy.agent(asking: CaptureRequest(stream: true).body)
                let waits = round == 1 && goal == .tokens
                if waits {
                    await hasBegun.wait { $0 }
                    try await proxy.catchUp()
                    #expect(agent.availableCount == 0)
                    mayGoOn.update { $0 = true }
                }
                let head = try await agent.read(until: "\r\n\r\n")
                #expect(String(decoding: head, as: UTF8.self).hasPrefix("HTTP/1.1 200 OK\r\n"))
                let comments = waits ? "" : ": two\n\n"
                _ = try await agent.read(until: comments)
                mayGoOn.update { $0 = true }
                let rest = String(decoding: try await agent.read(until: "0\r\n\r\n"), as: UTF8.self)
                if waits { #expect(rest.contains(": one\n\n") && rest.contains(": two\n\n")) }
                #expect(events.plain.allSatisfy { rest.contains($0) })
                await agent.close()
            }
        }
    }

    @Test("[DONE] waits for the record, and no other event does")
    func doneEventWaitsForTheRecord() async throws {
        let mayGoOn = Monitor(0)
        let script: MockEngine.Script = { exchange in
            guard case .stream(_, let events) = CaptureScript.chat(.vllm).answer(exchange.request) else { return }
            try await exchange.startEventStream()
            for event in events.dropLast() { try await exchange.sendEvent(event) }
            await mayGoOn.wait { $0 > 0 }
            try await exchange.sendEvent("[DONE]")
            await mayGoOn.wait { $0 > 1 }
            try await exchange.finishStream()
        }
        try await CaptureProxy.run(script) { proxy in
            let agent = try await proxy.agent(asking: CaptureRequest(stream: true).body)
            _ = try await agent.read(until: #""finish_reason":"stop""#)
            #expect(try proxy.records().isEmpty)
            mayGoOn.update { $0 = 1 }
            _ = try await agent.read(until: "data: [DONE]\n\n")
            let records = try proxy.records()
            #expect(records.count == 1 && records[0]["outcome"] == #""completed""#)
            // The engine has yet to send the end of the framing.
            _ = try await agent.read(count: 2)
            try await proxy.catchUp()
            #expect(agent.availableCount == 0)
            mayGoOn.update { $0 = 2 }
            #expect(String(decoding: try await agent.read(count: 5), as: UTF8.self) == "0\r\n\r\n")
            await agent.close()
        }
    }
}
