import TestSupport
import VerbatimSchema
import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimTesting

/// Hosted APIs, after documentation and reports of users.
@Suite struct DocumentedHostedTests {
    private static func error(_ message: String, param: String = "null", code: String = "null") -> String {
        #"{"error":{"message":"\#(message)","type":"invalid_request_error","param":\#(param),"code":\#(code)}}"#
    }

    enum Next: Equatable {
        case giveUp, nothing, withoutIDs
        case atMost(Int)
    }

    private func next(
        _ status: Int, _ body: String, _ profile: EngineProfile = .generic, _ api: API = .chatCompletions
    ) throws -> Next {
        guard let next = try injectionLimits(after: status, body, profile: profile, api: api) else { return .giveUp }
        if next == .nothing { return .nothing }
        if !next.tokenIDs { return .withoutIDs }
        return .atMost(try #require(next.maximumTopLogprobs))
    }

    // MARK: Refusals

    static let refusals: [(Int, String, Next)] = [
        (403, error("You are not allowed to request logprobs from this model"), .nothing),
        (
            400,
            error(
                "Unsupported parameter: 'logprobs' is not supported with this model.", param: #""logprobs""#,
                code: #""unsupported_parameter""#), .nothing
        ),
        (
            400,
            error(
                "Unrecognized request argument supplied: return_token_ids", param: "null"), .withoutIDs
        ),
        (400, error("Unknown parameter: 'return_token_ids'.", param: #""return_token_ids""#), .withoutIDs),
        // Azure
        (400, error("This model does not support the 'logprobs' parameter."), .nothing),
        (400, error("Unrecognized request argument supplied: logprobs"), .nothing),
        // Groq
        (400, error("`logprobs` is not supported with this model"), .nothing),
        // Together
        (400, error("5 is greater than the maximum of 1 - 'logprobs'"), .atMost(1)),
        // Gemini
        (
            400,
            #"[{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \"logprobs\": Cannot find field.","status":"INVALID_ARGUMENT"}}]"#,
            .nothing
        ),
        (
            400, #"[{"error":{"code":400,"message":"Logprobs is not enabled for models/gemini-2.5-pro"}}]"#, .nothing
        ),
        // vLLM on Gaudi
        (400, error("Gaudi doesn't support logprobs. Please remove logprobs from the request."), .nothing),
    ]

    @Test(arguments: refusals)
    func documentedRefusals(status: Int, body: String, expected: Next) throws {
        #expect(try next(status, body) == expected)
        // A profile that injects no ids cannot inject fewer.
        let isAboutIDs = expected == .withoutIDs
        #expect(try next(status, body, .openAI) == (isAboutIDs ? .giveUp : expected))
        #expect(try next(status, body, .openAI, .completions) == (isAboutIDs ? .giveUp : expected))
        // Other statuses are no rejections, whatever the message.
        for other in [401, 402, 404, 408, 409, 429, 502, 503] { #expect(try next(other, body) == .giveUp) }
    }

    /// At most three rejections lead to no injection: ids, alternatives, log-probabilities.
    @Test func documentedRefusalsEnd() throws {
        var injectionLimits = InjectionLimits()
        var steps = 0
        while true {
            let injection = try prepare("{}", profile: .generic, injectionLimits: injectionLimits).injection
            let body = injection.ids.isEmpty ? "5 is greater than the maximum of 1 - 'logprobs'" : "return_token_ids"
            guard
                let next = InjectionRejection.injectionLimits(
                    afterStatus: 400, body: Array(body.utf8).span, injection: injection,
                    injectionLimits: injectionLimits)
            else { break }
            injectionLimits = next
            steps += 1
            try #require(steps < 9)
        }
        #expect(steps == 3 && injectionLimits == .nothing)
    }

    /// `include` is injected into responses only, so an error about it is caused by the agent here.
    @Test func documentedIncludeIsNoFieldOfChats() throws {
        let body = Self.error("Invalid value for include", param: #""include""#)
        #expect(try next(400, body, .openAI) == .giveUp)
    }

    // MARK: OpenAI

    private static func chunk(_ delta: String, _ logprobs: String, end: String = "null", _ rest: String) -> String {
        #"{"id":"1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","system_fingerprint":"fp_1","#
            + #""choices":[{"index":0,"delta":\#(delta),"logprobs":\#(logprobs),"finish_reason":\#(end)}]\#(rest)}"#
    }
    private static let entries =
        #"{"content":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[]}],"refusal":null}"#

    /// Chunks are padded, and all but the last have `usage: null` if it was asked for.
    @Test(arguments: [EngineProfile.openAI, .generic, .azure, .openRouter, .huggingFaceRouter])
    func documentedOpenAIStream(profile: EngineProfile) throws {
        let rest = #","usage":null,"obfuscation":"dK2x""#
        let usage = #"{"id":"1","choices":[],"usage":{"completion_tokens":1},"obfuscation":""}"#
        let role = #"{"role":"assistant","content":"","refusal":null}"#
        let driver = try Exchange(profile: profile).stream([
            Self.chunk(role, #"{"content":[],"refusal":null}"#, rest),
            Self.chunk(#"{"content":"a"}"#, Self.entries, rest), Self.chunk("{}", "null", end: #""stop""#, rest), usage,
        ])
        #expect(
            driver.outputText
                == streamText([
                    Self.chunk(role, "null", rest), Self.chunk(#"{"content":"a"}"#, "null", rest),
                    Self.chunk("{}", "null", end: #""stop""#, rest), usage,
                ]))
        #expect(driver.reply.recognized == nil)
        let capture = driver.reply.captured()
        #expect(capture.level == .logprobs && capture.isComplete)
    }

    /// OpenAI counts tool calls and reasoning, but sends no log-probabilities of them.
    @Test func documentedOpenAICountsHiddenTokens() throws {
        let capture = try Exchange(profile: .openAI).stream([
            Self.chunk(#"{"content":"a"}"#, Self.entries, ""), finish,
            #"{"choices":[],"usage":{"completion_tokens":65,"completion_tokens_details":{"reasoning_tokens":64}}}"#,
        ]).reply.captured()
        #expect(capture.problems == ["token_count_mismatch"] && !capture.isComplete)
        let whole = try Exchange(profile: .openAI).whole(
            #"{"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{}]},"logprobs":null,"finish_reason":"tool_calls"}],"usage":{"completion_tokens":9}}"#
        )
        #expect(whole.capture.level == .text && whole.capture.problems == ["no_token_data"])
    }

    // MARK: Azure

    /// Azure streams begin with a chunk without choices.
    @Test func documentedAzureStream() throws {
        let first =
            #"{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0}]}"#
        func chunk(_ logprobs: String) -> String {
            #"{"choices":[{"content_filter_results":{},"delta":{"content":"a"},"finish_reason":null,"index":0,"logprobs":\#(logprobs)}],"id":"1"}"#
        }
        let driver = try Exchange(profile: .generic).stream([first, chunk(Self.entries), finish])
        #expect(driver.outputText == streamText([first, chunk("null"), finish]))
        #expect(driver.reply.recognized == .azure)
        #expect(driver.reply.captured().isComplete)
    }

    // MARK: OpenRouter

    @Test func documentedOpenRouterStream() throws {
        func chunk(
            _ logprobs: String,
            _ delta: String = #"{"role":"assistant","content":"a","reasoning":null,"reasoning_details":[]}"#
        ) -> String {
            #"{"id":"gen-1","provider":"Together","model":"m","object":"chat.completion.chunk","created":1,"choices":"#
                + #"[{"index":0,"delta":\#(delta),"finish_reason":null,"native_finish_reason":null,"logprobs":\#(logprobs)}]}"#
        }
        let comment = ": OPENROUTER PROCESSING\n\n"
        let reply = try Exchange(profile: .generic).request(#""stream":true"#).reply
        let driver = StreamDriver.run(reply, comment + streamText([chunk(Self.entries), finish]))
        #expect(driver.outputText == comment + streamText([chunk("null"), finish]))
        #expect(driver.reply.recognized == .openRouter)
        #expect(driver.reply.captured().level == .logprobs && driver.reply.captured().isComplete)
    }

    /// An error in the middle comes in a chunk whose choice is finished.
    @Test func documentedOpenRouterError() throws {
        let error =
            #"{"id":"gen-1","object":"chat.completion.chunk","error":{"code":502,"message":"m","metadata":{"provider_name":"x"}},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error","native_finish_reason":"error"}]}"#
        let first = #"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#
        let driver = try Exchange(profile: .openRouter).stream([first, error])
        #expect(driver.outputText == streamText([first, error]))
        let capture = driver.reply.captured()
        #expect(driver.errors == [#"{"code":502,"message":"m","metadata":{"provider_name":"x"}}"#])
        #expect(capture.choices.first?.finishReason.text == #""error""# && !capture.isComplete)
        #expect(!capture.problems.contains("reply_cut_off"))
    }

    /// Other errors are no rejections, even as a body.
    @Test func documentedOpenRouterErrorBody() throws {
        let body = #"{"error":{"code":429,"message":"Provider returned error","metadata":{"raw":"logprobs"}}}"#
        #expect(try next(429, body, .openRouter) == .giveUp)
        let (output, capture, reply) = try Exchange(profile: .openRouter).whole(body)
        #expect(output == body && reply.error != nil && !capture.isComplete)
    }

    // MARK: Fillers

    /// Some hosts send 0 or -9999 for values that they do not compute.
    @Test(arguments: [("-9999.0", "logprob_filler"), ("0.0", "logprobs_all_zero"), ("0", "logprobs_all_zero")])
    func documentedFillersOfHosts(value: String, problem: ProblemCode) throws {
        let entry = #"{"token":"a","logprob":\#(value),"bytes":null,"top_logprobs":[]}"#
        let entries = #"{"content":[\#([entry, entry, entry, entry].joined(separator: ","))]}"#
        let body = #"{"choices":[{"index":0,"message":{},"logprobs":\#(entries),"finish_reason":"stop"}]}"#
        let capture = try Exchange(profile: .huggingFaceRouter).whole(body).capture
        #expect(capture.problems == [problem] && !capture.isComplete)
    }
}
