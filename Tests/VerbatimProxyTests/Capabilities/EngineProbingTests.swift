import VerbatimTesting
import NIOCore
import VerbatimProxy
import TestSupport
import Testing
import VerbatimAPI

/// Turns that begin together find out once what the engine accepts, and again if the engine changes.
@Suite("Probing an engine", .onOwnThreads, .timeLimit(.minutes(2))) struct EngineProbingTests {
    @Test(
        "Of turns that begin together while nothing is known, one is rejected",
        arguments: [false, true], [ScriptedChat.InjectionRejection.tokenIDs, .logprobs])
    func oneIsRejectedForAll(stream: Bool, refusal: ScriptedChat.InjectionRejection) async throws {
        var chat = CaptureScript.chat(.vllm)
        chat.refuses = refusal
        try await CaptureProxy.run(chat.serve) { proxy in
            let count = 12
            let body = CaptureRequest(stream: stream).body
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<count { group.addTask { try await proxy.ask(body).status } }
                for try await status in group { #expect(status == 200) }
            }
            #expect(proxy.forwarded.count == count + 1)
            #expect(try proxy.records().count == count)
        }
    }

    /// The engine answers none of the turns until it has all of them.
    @Test("A slow probe does not delay the other turns for ever") func aSlowProbe() async throws {
        let count = 4
        let arrived = Monitor(0)
        let chat = CaptureScript.chat(.vllm)
        let script: MockEngine.Script = { exchange in
            arrived.update { $0 += 1 }
            await arrived.wait { $0 >= count }
            try await chat.serve(exchange)
        }
        try await CaptureProxy.run(script, { $0.refusalTime = .milliseconds(50) }) { proxy in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<count { group.addTask { try await proxy.ask(CaptureRequest().body).status } }
                for try await status in group { #expect(status == 200) }
            }
            #expect(proxy.forwarded.count == count)
        }
    }

    @Test("The head and the comments of a stream without events are not held for ever") func aStreamWithoutEvents()
        async throws
    {
        let isRead = Monitor(false)
        let script: MockEngine.Script = { exchange in
            try await exchange.startEventStream()
            try await exchange.sendChunk(": keep-alive\n\n")
            await isRead.wait { $0 }
            try await exchange.sendEvent("[DONE]")
            try await exchange.finishStream()
        }
        try await CaptureProxy.run(script, { $0.refusalTime = .milliseconds(50) }) { proxy in
            let agent = try await proxy.agent(asking: CaptureRequest(stream: true).body)
            let start = try await agent.read(until: ": keep-alive\n\n")
            #expect(start.starts(with: "HTTP/1.1 200 ".utf8))
            isRead.update { $0 = true }
            _ = try await agent.read(until: "0\r\n\r\n")
        }
    }

    @Test("An agent that disconnects while it waits for a probe leaves a record, and does not affect other turns")
    func aWaitingAgentDisconnects() async throws {
        let gate = Monitor(false)
        let arrived = Monitor(0)
        let chat = CaptureScript.chat(.vllm)
        let script: MockEngine.Script = { exchange in
            arrived.update { $0 += 1 }
            await gate.wait { $0 }
            try await chat.serve(exchange)
        }
        try await CaptureProxy.run(script) { proxy in
            let first = try await proxy.agent(asking: CaptureRequest().body)
            await arrived.wait { $0 == 1 }
            let second = try await proxy.agent(asking: CaptureRequest().body)
            await second.close()
            let records = try await proxy.records(atLeast: 1)
            let record = try #require(records.first)
            #expect(record["outcome"] == #""client_disconnected""# && record["turn"] == "2")
            gate.update { $0 = true }
            #expect(try await first.readResponse().status == 200)
            #expect(proxy.forwarded.count <= 2)
        }
    }

    @Test("A new version of the engine is tested again") func anotherVersionIsTested() async throws {
        let version = Monitor("vllm-0.9.0-aaaa")
        let script: MockEngine.Script = { exchange in
            let version = version.state
            if version.hasPrefix("vllm-0.9"), exchange.request.bodyText.contains("return_token_ids") {
                return try await exchange.respond(
                    status: 400, reason: "Bad Request",
                    body: #"{"error":{"message":"return_token_ids: extra fields not permitted","code":400}}"#)
            }
            let ids = exchange.request.bodyText.contains("return_token_ids") ? "[7]" : "null"
            let logprobs = #"{"content":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[]}]}"#
            try await exchange.respond(
                status: 200, reason: "OK", headers: [("Content-Type", "application/json")],
                body:
                    #"{"choices":[{"index":0,"message":{"content":"a"},"logprobs":\#(logprobs),"finish_reason":"stop","token_ids":\#(ids)}],"system_fingerprint":"\#(version)"}"#
            )
        }
        try await CaptureProxy.run(script) { proxy in
            for expected in [2, 3] {
                _ = try await proxy.ask(CaptureRequest().body)
                #expect(proxy.forwarded.count == expected)
            }
            version.update { $0 = "vllm-0.11.0-bbbb" }
            // The first turn reports the version, the second one uses what it may accept.
            for _ in 1...2 { _ = try await proxy.ask(CaptureRequest().body) }
            let captures = try proxy.records().map(\.capture)
            #expect(
                captures == [
                    "logprobs complete token_ids_refused", "logprobs complete token_ids_refused",
                    "logprobs complete token_ids_refused",
                    "tokens complete",
                ])
        }
    }

    @Test("Another engine at the same address is recognized") func anEngineIsExchanged() async throws {
        let fingerprint = Monitor("b4711-abc")
        let script: MockEngine.Script = { exchange in
            try await exchange.respond(
                status: 200, reason: "OK", headers: [("Content-Type", "application/json")],
                body:
                    #"{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}],"system_fingerprint":"\#(fingerprint.state)"}"#
            )
        }
        try await CaptureProxy.run(script) { proxy in
            _ = try await proxy.ask(CaptureRequest().body)
            fingerprint.update { $0 = "vllm-0.32.0-abc" }
            for _ in 1...2 { _ = try await proxy.ask(CaptureRequest().body) }
            let engines = try proxy.records().map { $0["engine"] }
            #expect(engines.first == #""llamacpp""# && engines.last == #""vllm""#)
        }
    }
}
