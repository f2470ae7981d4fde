import VerbatimTesting
import NIOCore
import VerbatimProxy
import TestSupport
import Testing
import VerbatimAPI

/// Turns that begin together find out once what the engine puts up with; what was found out ends with the engine's version.
@Suite(.onOwnThreads, .timeLimit(.minutes(2))) struct InjectionTrialTests {
    /// All of them begin while nothing is known.
    @Test(arguments: [false, true], [ScriptedChat.InjectionRejection.tokenIDs, .logprobs])
    func oneIsRefusedForAll(stream: Bool, refusal: ScriptedChat.InjectionRejection) async throws {
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

    /// A turn whose engine takes its time does not hold the others up for good: the engine answers none of them until it
    /// has all.
    @Test func nobodyWaitsForAReply() async throws {
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

    /// A stream's head is not held for good either, and neither are its comments.
    @Test func nobodyWaitsForAFirstEvent() async throws {
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

    /// An agent that goes away while it waits leaves a record, and the others are none the worse.
    @Test func whoGoesAwayIsRecorded() async throws {
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

    /// An engine that has been upgraded may take what it refused before.
    @Test func anotherVersionIsTriedAnew() async throws {
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
            // This turn brings the news, the next one makes use of it.
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

    /// Another engine at the same address is recognised, whatever stood there before.
    @Test func anEngineMayBeExchanged() async throws {
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
