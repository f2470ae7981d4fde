import VerbatimTesting
import NIOCore
import TestSupport
import Testing
import VerbatimAPI

@testable import VerbatimProxy

/// What looks like a rejection and is not one, and what one turn must not make the others assume.
@Suite("Doubtful rejections", .onOwnThreads, .timeLimit(.minutes(2))) struct RejectionDoubtTests {
    private static let json = [("Content-Type", "application/json")]

    private static func reply(ids: Bool) -> String {
        let logprobs = #"{"content":[{"token":"a","logprob":-0.5}]}"#
        return
            #"{"choices":[{"index":0,"message":{"content":"a"},"logprobs":\#(logprobs),"finish_reason":"stop","token_ids":\#(ids ? "[7]" : "null")}],"usage":{"completion_tokens":1}}"#
    }

    /// FastAPI's old error for a request without messages, which quotes the request.
    private static func quoting(_ body: String) -> String {
        #"{"object":"error","message":"[{'type': 'missing', 'loc': ('body', 'messages'), 'msg': 'Field required', 'input': "#
            + body.replacing("\"", with: "'") + #"}]","code":400}"#
    }

    private static let malformed = #"{"model":"m"}"#
    private static let good = #"{"model":"m","messages":[]}"#

    private static func engine(answering: @escaping @Sendable (String) async -> Void = { _ in }) -> MockEngine.Script {
        { exchange in
            let body = exchange.request.bodyText
            await answering(body)
            if !body.contains("messages") {
                return try await exchange.respond(
                    status: 400, reason: "Bad Request", headers: json, body: quoting(body))
            }
            try await exchange.respond(
                status: 200, reason: "OK", headers: json, body: reply(ids: body.contains("return_token_ids")))
        }
    }

    @Test("An error that only quotes the injection does not reject it", arguments: [nil, CaptureRequirement.tokens])
    func quotedInjection(requirement: CaptureRequirement?) async throws {
        let configure: (inout ProxySettings) -> Void = {
            $0.policy.requirement = requirement
            $0.engine = .vllm
        }
        try await CaptureProxy.run(Self.engine(), configure) { proxy in
            #expect(try await proxy.ask(Self.malformed).status == 400)
            #expect(proxy.forwarded.count == 1)
            #expect(try await proxy.ask(Self.good).status == 200)
            let captures = try proxy.records().map(\.capture)
            #expect(captures == ["none", "tokens complete"])
        }
    }

    @Test("A turn that injects less because of another's unconfirmed rejection does not confirm it")
    func anUnconfirmedRejection() async throws {
        let mayFail = Monitor(false)
        let mayEnd = Monitor(false)
        let refused = Monitor(0)
        let running = Monitor(0)
        let script: MockEngine.Script = { exchange in
            let body = exchange.request.bodyText
            if body.contains("bad") {
                refused.update { $0 += 1 }
                if !body.contains("return_token_ids") { await mayFail.wait { $0 } }
                return try await exchange.respond(
                    status: 400, reason: "Bad Request", headers: Self.json,
                    body: #"{"error":{"message":"bad request (return_token_ids)"}}"#)
            }
            running.update { $0 += 1 }
            await mayEnd.wait { $0 }
            try await exchange.respond(
                status: 200, reason: "OK", headers: Self.json,
                body: Self.reply(ids: body.contains("return_token_ids")))
        }
        try await CaptureProxy.run(script, { $0.engine = .vllm }) { proxy in
            let bad = try await proxy.agent(asking: #"{"model":"m","messages":[],"bad":1}"#)
            await refused.wait { $0 == 2 }
            let other = try await proxy.agent(asking: Self.good)
            await running.wait { $0 == 1 }
            mayFail.update { $0 = true }
            #expect(try await bad.readResponse().status == 400)
            mayEnd.update { $0 = true }
            #expect(try await other.readResponse().status == 200)
            _ = try await proxy.ask(Self.good)
            let captures = try proxy.records().map(\.capture)
            #expect(captures.last == "tokens complete")
        }
    }

    /// It may have cost a whole generation.
    @Test("A server error that mentions log-probabilities does not reject them") func aServerErrorIsNoRejection()
        async throws
    {
        let script: MockEngine.Script = { exchange in
            try await exchange.respond(
                status: 500, reason: "Internal Server Error", headers: Self.json,
                body: #"{"error":{"message":"Out of range float values: logprobs[17].logprob = nan","code":500}}"#)
        }
        try await CaptureProxy.run(script, { $0.engine = .vllm }) { proxy in
            // The first is repeated, since no such turn has succeeded yet, and the repeat fails as well.
            for requests in [2, 3] {
                let status = try await proxy.ask(Self.good).status
                #expect(status == 500 && proxy.forwarded.count == requests)
            }
            #expect(proxy.forwarded.map { $0.contains("logprobs") } == [true, false, true])
            #expect(try proxy.records().allSatisfy { $0["refusals"] == nil })
        }
    }

    @Test("A reply that cannot be read violates the requirement", arguments: [true, false])
    func unreadableReplies(isCompressed: Bool) async throws {
        let headers = Self.json + (isCompressed ? [("Content-Encoding", "gzip")] : [])
        let script: MockEngine.Script = { exchange in
            try await exchange.respond(status: 200, reason: "OK", headers: headers, body: "hello")
        }
        try await CaptureProxy.run(script, { $0.policy.requirement = .tokens }) { proxy in
            #expect(try await proxy.ask(Self.good).status == 200)
            let records = try proxy.records()
            #expect(records.last?.capture.contains("below_requirement") == true)
            let told = try await get(port: proxy.server.port, path: "/healthz").bodyText
            #expect(told.contains("degraded"))
        }
    }

    /// Gateways call themselves `openai`, whatever engine they forward to.
    @Test("A model list owned by openai does not identify the engine") func theOwnerOpenAI() async throws {
        let script: MockEngine.Script = { exchange in
            if exchange.request.bodyText.isEmpty {
                return try await exchange.respond(
                    status: 200, reason: "OK", headers: Self.json,
                    body: #"{"data":[{"id":"m","object":"model","owned_by":"openai"}],"object":"list"}"#)
            }
            try await Self.engine()(exchange)
        }
        try await CaptureProxy.run(script) { proxy in
            _ = try await get(port: proxy.server.port, path: "/v1/models")
            _ = try await proxy.ask(Self.good)
            let captures = try proxy.records().map(\.capture)
            #expect(captures == ["tokens complete"])
        }
    }

    @Test("The record has the engine's error message and what the engine was recognized by")
    func theRecordHasTheErrorMessage() async throws {
        var chat = CaptureScript.chat(.vllm)
        chat.refuses = .tokenIDs
        try await CaptureProxy.run(chat.serve) { proxy in
            for _ in 1...2 { _ = try await proxy.ask(CaptureRequest().body) }
            let records = try proxy.records()
            #expect(records[0]["refusals", "0"]?.contains("return_token_ids") == true)
            #expect(records[1]["refusals"] == nil)
            #expect(records.map { $0["engine_source"] } == [#""reply""#, #""reply""#])
        }
        try await CaptureProxy.run(chat.serve, { $0.engine = .vllm }) { proxy in
            _ = try await proxy.ask(CaptureRequest().body)
            let records = try proxy.records()
            #expect(records[0]["engine_source"] == #""setting""#)
        }
    }

    @Test(
        "The message of an error is found in every shape of it",
        arguments: [
            (#"{"error":{"message":"no \u00e9","code":400}}"#, "no é"), (#"{"error":"flat"}"#, "flat"),
            (#"{"object":"error","message":"m"}"#, "m"), (#"{"detail":"d"}"#, "d"), ("plain", "plain"), ("", ""),
            (#"{"detail":[{"loc":["body"]}]}"#, #"{"detail":[{"loc":["body"]}]}"#), (#"{"error":{}}"#, "{}"),
        ])
    func errorMessages(body: String, message: String) {
        #expect(EngineError(status: 400, body: Array(body.utf8)).message == message)
    }
}
