import NIOCore
import TestSupport
import Testing
import VerbatimAPI
import VerbatimProxy
import VerbatimTesting

/// What one agent does must not change what is captured of the others.
@Suite("Agents among each other", .onOwnThreads, .timeLimit(.minutes(2))) struct AgentIsolationTests {
    private static let json = [("Content-Type", "application/json")]
    private static let good = #"{"model":"m","messages":[{"role":"user","content":"x"}]}"#

    /// - Parameter ids: How many of two tokens have ids and log-probabilities.
    private static func reply(tokens: Int, content: String = "ab", count: Int = 2) -> String {
        let entries = ["a", "b"].prefix(tokens).map { #"{"token":"\#($0)","logprob":-0.5}"# }.joined(separator: ",")
        let logprobs = tokens == 0 ? "null" : #"{"content":[\#(entries)]}"#
        let ids = tokens == 0 ? "null" : "[\((7..<(7 + tokens)).map(String.init).joined(separator: ","))]"
        return
            #"{"choices":[{"index":0,"message":{"role":"assistant","content":"\#(content)"},"logprobs":\#(logprobs),"finish_reason":"stop","token_ids":\#(ids)}],"usage":{"completion_tokens":\#(count)}}"#
    }

    private func ask(_ proxy: CaptureProxy, _ session: String, _ body: String = good) async throws -> RawResponse {
        try await post(
            port: proxy.server.port, path: CaptureProxy.path, headers: Self.json + [("X-Verbatim-Session", session)],
            body: body)
    }

    /// How an engine refuses the evil agent's request together with the injection.
    enum Refusal: String, CaseIterable, Sendable {
        /// In its own words, while others are accepted.
        case named
        /// In the agent's words.
        case quoted
        /// Without words.
        case hangUp, badGateway, errorBody

        /// The evil agent comes first, so that nothing is known.
        var comesFirst: Bool { self != .named }
    }

    @Test("A refusal that one agent provokes does not turn capture off for the others", arguments: Refusal.allCases)
    func provokedRefusals(refusal: Refusal) async throws {
        let evil = #"{"model":"m","messages":[{"role":"logprobs are not supported","content":"evil"}]}"#
        let script: MockEngine.Script = { exchange in
            let body = exchange.request.bodyText
            guard body.contains("evil"), body.contains("return_token_ids") else {
                return try await exchange.respond(
                    status: 200, reason: "OK", headers: Self.json,
                    body: Self.reply(tokens: body.contains("return_token_ids") ? 2 : 0))
            }
            switch refusal {
            case .named, .quoted:
                try await exchange.respond(
                    status: 400, reason: "Bad Request", headers: Self.json,
                    body: #"{"error":{"message":"logprobs are not supported"}}"#)
            case .hangUp: await exchange.close()
            case .badGateway: try await exchange.respond(status: 502, reason: "Bad Gateway", body: "")
            case .errorBody:
                try await exchange.respond(
                    status: 200, reason: "OK", headers: Self.json, body: #"{"error":{"message":"no"}}"#)
            }
        }
        let request = refusal == .named ? evil.replacing("logprobs are not supported", with: "user") : evil
        try await CaptureProxy.run(script, { $0.engine = .vllm }) { proxy in
            if !refusal.comesFirst { _ = try await ask(proxy, "good") }
            for _ in 1...3 { #expect(try await ask(proxy, "evil", request).status == 200) }
            for _ in 1...2 { #expect(try await ask(proxy, "good").status == 200) }
            let records = try proxy.records()
            let captures = records.filter { $0["session_id"] == #""good""# }.map(\.capture)
            #expect(captures == Array(repeating: "tokens complete", count: refusal.comesFirst ? 2 : 3))
        }
    }

    @Test("What two sessions find holds for the third") func twoSessions() async throws {
        let script: MockEngine.Script = { exchange in
            guard exchange.request.bodyText.contains("return_token_ids") else {
                return try await exchange.respond(
                    status: 200, reason: "OK", headers: Self.json, body: Self.reply(tokens: 0))
            }
            await exchange.close()
        }
        try await CaptureProxy.run(script, { $0.engine = .vllm }) { proxy in
            for (session, requests) in [("a", 2), ("a", 3), ("b", 6), ("c", 7), ("d", 8)] {
                // A connection that was used before is given a second chance.
                let status = try await ask(proxy, session).status
                #expect(status == 200)
                #expect(proxy.forwarded.count == requests, "\(session)")
            }
        }
    }

    // MARK: The required level

    @Test("Turns that fall short have turns of their own session refused, and none of the others")
    func shortfallsCountPerSession() async throws {
        let script: MockEngine.Script = { exchange in
            let isShort =
                exchange.request.header("x-verbatim-session") == "short"
                || exchange.request.bodyText.contains("short")
            try await exchange.respond(
                status: 200, reason: "OK", headers: Self.json, body: Self.reply(tokens: isShort ? 0 : 2))
        }
        let short = #"{"model":"m","messages":[{"role":"user","content":"short"}]}"#
        try await CaptureProxy.run(
            script,
            {
                $0.engine = .vllm
                $0.policy.requirement = .tokens
            }
        ) { proxy in
            var statuses: [Int] = []
            for _ in 1...10 { statuses.append(try await ask(proxy, "short", short).status) }
            // Now and then one is let through.
            #expect(statuses == [200, 200] + Array(repeating: 422, count: 7) + [200])
            #expect(try await ask(proxy, "short", short).status == 422)
            for _ in 1...3 { #expect(try await ask(proxy, "other").status == 200) }
            let health = try await get(port: proxy.server.port, path: "/healthz").bodyText
            #expect(
                health.contains(
                    #""sessions":[{"session":"short","dialect":"chat.completions","model":"m","stream":false,"violations":3,"refused":8,"last_turn":11}]"#
                ), "\(health)")
        }
    }

    @Test(
        "A turn that generated nothing does not count",
        arguments: [
            reply(tokens: 0, content: "", count: 0), reply(tokens: 0, content: "", count: 1),
            reply(tokens: 0).replacing(#""stop""#, with: #""content_filter""#),
        ])
    func nothingGenerated(reply: String) async throws {
        let script: MockEngine.Script = { exchange in
            try await exchange.respond(status: 200, reason: "OK", headers: Self.json, body: reply)
        }
        try await CaptureProxy.run(
            script,
            {
                $0.engine = .vllm
                $0.policy.requirement = .tokens
            }
        ) { proxy in
            for _ in 1...5 { #expect(try await ask(proxy, "s").status == 200) }
            let health = try await get(port: proxy.server.port, path: "/healthz").bodyText
            #expect(health.contains(#""ok""#) == reply.contains(#""completion_tokens":0"#))
        }
    }

    @Test(
        "The level tokens demands every token, and partial-tokens does not",
        arguments: [(CaptureRequirement.tokens, true), (.partialTokens, false), (.logprobs, false)])
    func incompleteTokens(requirement: CaptureRequirement, isViolation: Bool) async throws {
        let script: MockEngine.Script = { exchange in
            try await exchange.respond(
                status: 200, reason: "OK", headers: Self.json, body: Self.reply(tokens: 1))
        }
        try await CaptureProxy.run(
            script,
            {
                $0.engine = .vllm
                $0.policy.requirement = requirement
            }
        ) { proxy in
            // The engine does give tokens, so the session's next turns are not refused.
            for _ in 1...3 { #expect(try await ask(proxy, "s").status == 200) }
            let captures = try proxy.records().map(\.capture)
            #expect(captures.allSatisfy { $0.hasPrefix("tokens ") && !$0.contains("complete") })
            #expect(captures.allSatisfy { $0.contains("below_requirement") == isViolation })
            let health = try await get(port: proxy.server.port, path: "/healthz").bodyText
            #expect(health.contains("degraded") == isViolation)
        }
    }

    // MARK: Several engines

    @Test("Which engine it is holds for the model", arguments: [["l", "v"], ["v", "l"]])
    func severalEngines(models: [String]) async throws {
        let script: MockEngine.Script = { exchange in
            let body = exchange.request.bodyText
            let asks = body.contains(#""logprobs""#)
            let ids = body.contains("return_token_ids") ? "[5]" : "null"
            let llama =
                #"{"choices":[{"finish_reason":"stop","index":0,"message":{"role":"assistant","content":"Hi"}\#(asks ? #","logprobs":{"content":[{"id":5,"token":"Hi","bytes":[72,105],"logprob":-0.5,"top_logprobs":[]}]}"# : "")}],"system_fingerprint":"b11434-abc","usage":{"completion_tokens":1},"timings":{"prompt_n":2}}"#
            let logprobs =
                asks ? #"{"content":[{"token":"Hi","logprob":-0.5,"bytes":[72,105],"top_logprobs":[]}]}"# : "null"
            let vllm =
                #"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"logprobs":\#(logprobs),"finish_reason":"stop","stop_reason":null,"token_ids":\#(ids)}],"usage":{"completion_tokens":1},"prompt_logprobs":null,"prompt_token_ids":null}"#
            try await exchange.respond(
                status: 200, reason: "OK", headers: Self.json, body: body.contains(#""model":"l""#) ? llama : vllm)
        }
        try await CaptureProxy.run(script) { proxy in
            for model in models + models {
                let body = #"{"model":"\#(model)","messages":[]}"#
                expectSame(try await proxy.ask(body), try await proxy.askDirectly(body), inChunks: true, "\(model)")
            }
            let records = try proxy.records()
            #expect(records.map(\.capture) == Array(repeating: "tokens complete", count: 4))
            let names = ["l": #""llamacpp""#, "v": #""vllm""#]
            #expect(records.map { $0["engine"] } == (models + models).map { names[$0] })
        }
    }

    @Test("A list of models names the engine of each") func listOfModels() async throws {
        let script: MockEngine.Script = { exchange in
            if exchange.request.bodyText.isEmpty {
                return try await exchange.respond(
                    status: 200, reason: "OK", headers: Self.json,
                    body: #"{"data":[{"id":"l","owned_by":"llamacpp"},{"id":"v","owned_by":"vllm"}]}"#)
            }
            try await exchange.respond(status: 200, reason: "OK", headers: Self.json, body: Self.reply(tokens: 0))
        }
        try await CaptureProxy.run(script) { proxy in
            _ = try await get(port: proxy.server.port, path: "/v1/models")
            for model in ["l", "v", "x"] { _ = try await proxy.ask(#"{"model":"\#(model)","messages":[]}"#) }
            #expect(proxy.forwarded.dropFirst().map { $0.contains("return_token_ids") } == [false, true, true])
        }
    }
}
