import TestSupport
import VerbatimSchema
import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimTesting

/// Ollama, TGI and LM Studio, after their sources and issues.
@Suite struct DocumentedLocalEngineTests {
    private static let entry =
        #"{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[{"token":"a","logprob":-0.5,"bytes":[97]}]}"#

    // MARK: Ollama

    private static func chunk(_ delta: String, _ logprobs: String = "", end: String = "null") -> String {
        #"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"fp_ollama","#
            + #""choices":[{"index":0,"delta":\#(delta),"finish_reason":\#(end)\#(logprobs)}]}"#
    }
    private static let logprobs = #","logprobs":{"content":[\#(entry)]}"#

    @Test(arguments: [EngineProfile.ollama, .generic])
    func documentedOllamaStream(profile: EngineProfile) throws {
        let blank = #"{"role":"assistant","content":""}"#
        let driver = try Exchange(profile: profile).stream([
            // While a parser holds text back, each requested token has a chunk without text.
            Self.chunk(blank, Self.logprobs), Self.chunk(#"{"role":"assistant","content":"a"}"#, Self.logprobs),
            Self.chunk(#"{"role":"assistant","content":"","reasoning":"b"}"#, Self.logprobs),
            Self.chunk(blank, end: #""stop""#),
            #"{"choices":[],"system_fingerprint":"fp_ollama","usage":{"completion_tokens":3}}"#,
        ])
        #expect(
            driver.outputText
                == streamText([
                    Self.chunk(#"{"role":"assistant","content":"a"}"#),
                    Self.chunk(#"{"role":"assistant","content":"","reasoning":"b"}"#),
                    Self.chunk(blank, end: #""stop""#),
                    #"{"choices":[],"system_fingerprint":"fp_ollama","usage":{"completion_tokens":3}}"#,
                ]))
        let capture = driver.reply.captured()
        #expect(capture.level == .logprobs && capture.isComplete, "\(capture.problems)")
        #expect(capture.choices.first?.tokens.count == 3)
    }

    @Test func documentedOtherOllamaChunksAreForwarded() throws {
        for event in [
            Self.chunk(#"{"role":"assistant","content":""}"#),
            Self.chunk(#"{"role":"assistant","content":""}"#, Self.logprobs, end: #""length""#),
            Self.chunk(#"{"role":"assistant","content":"","tool_calls":[{"index":0}]}"#, Self.logprobs),
        ] {
            #expect(try Exchange(profile: .ollama).stream([event]).events.first?.isDropped == false)
        }
    }

    /// Completions have the form of chat completions. The key is absent when the feature is off.
    @Test(arguments: [true, false], [EngineProfile.ollama, .generic])
    func documentedOllamaCompletion(isStream: Bool, profile: EngineProfile) throws {
        func event(_ logprobs: String) -> String {
            #"{"id":"1","object":"text_completion","model":"m","system_fingerprint":"fp_ollama","choices":[{"text":"a","index":0\#(logprobs),"finish_reason":"stop"}],"usage":{"completion_tokens":1}}"#
        }
        let exchange = Exchange(profile: profile, api: .completions)
        if isStream {
            let driver = try exchange.stream([event(Self.logprobs)])
            #expect(driver.outputText == streamText([event("")]))
            #expect(driver.reply.captured().choices.first?.valuesText == "-0.5")
        } else {
            let (output, capture, _) = try exchange.whole(event(Self.logprobs))
            #expect(output == event(""))
            #expect(capture.level == .logprobs && capture.isComplete)
        }
    }

    @Test func documentedOllamaRange() throws {
        let error =
            #"{"error":{"message":"top_logprobs must be between 0 and 20","type":"invalid_request_error","param":null,"code":null}}"#
        #expect(try injectionLimits(after: 400, error, profile: .ollama, top: 20)?.maximumTopLogprobs == 1)
        let lower = error.replacing("20", with: "3")
        #expect(try injectionLimits(after: 400, lower, profile: .ollama)?.maximumTopLogprobs == 3)
    }

    // MARK: TGI

    private static func tgi(_ logprobs: String) -> String {
        #"{"object":"chat.completion.chunk","id":"","created":1,"model":"m","system_fingerprint":"3.0.1-sha-bb9095a","#
            + #""choices":[{"index":0,"delta":{"role":"assistant","content":"a"},"logprobs":\#(logprobs),"finish_reason":null}],"usage":null}"#
    }

    @Test(arguments: [EngineProfile.tgi, .generic])
    func documentedTGIStream(profile: EngineProfile) throws {
        let entries = #"{"content":[{"token":"a","logprob":-0.5,"top_logprobs":[{"token":"a","logprob":-0.5}]}]}"#
        let reply = try Exchange(profile: profile).request(#""stream":true"#).reply
        let driver = StreamDriver.run(reply, ":\n\n" + streamText([Self.tgi(entries), finish]))
        #expect(driver.outputText == ":\n\n" + streamText([Self.tgi("null"), finish]))
        #expect(driver.reply.recognized == (profile == .generic ? .tgi : nil))
        let capture = driver.reply.captured()
        #expect(capture.level == .logprobs && capture.isComplete && capture.choices.first?.valuesText == "-0.5")
    }

    @Test func documentedTGIRange() throws {
        let error =
            #"{"error":"Input validation error: `top_n_tokens` must be >= 0 and <= 5. Given: 20","error_type":"validation"}"#
        #expect(try injectionLimits(after: 422, error, profile: .generic, top: 20)?.maximumTopLogprobs == 5)
        // Once the engine is known, it is not asked for more.
        let prepared = try prepare("{}", profile: .tgi) { $0.topLogprobs = 20 }
        #expect(prepared.bodyText == #"{"logprobs":true,"top_logprobs":5}"#)
        #expect(
            try injectionLimits(after: 422, error.replacing("<= 5", with: "<= 2"), profile: .tgi)?.maximumTopLogprobs
                == 2)
    }

    @Test func documentedTGICompletionsHaveNoTokenData() throws {
        #expect(try Exchange(profile: .tgi, api: .completions).request("").injection.isEmpty)
    }

    // MARK: LM Studio

    @Test(arguments: [API.chatCompletions, .completions], [true, false])
    func documentedLMStudioIsAskedForNothing(api: API, isStream: Bool) throws {
        let request = try Exchange(profile: .lmStudio, api: api).request(#""stream":\#(isStream)"#)
        #expect(request.injection.isEmpty && request.bodyText == #"{"stream":\#(isStream)}"#)
    }

    /// LM Studio sends status 200 for unknown routes.
    @Test(arguments: [EngineProfile.lmStudio, .generic])
    func documentedLMStudioErrorWithStatus200(profile: EngineProfile) throws {
        let body = #"{"error":"Unexpected endpoint or method. (POST /v1/foo). Returning 200 anyway"}"#
        let (output, capture, reply) = try Exchange(profile: profile).whole(body)
        #expect(output == body)
        #expect(capture.level == .none && !capture.isComplete && capture.choices.isEmpty)
        #expect(capture.responseText == body && reply.recognized == nil)
        #expect(reply.error == Array(#""Unexpected endpoint or method. (POST /v1/foo). Returning 200 anyway""#.utf8))
    }

    @Test func documentedLMStudioReply() throws {
        let body =
            #"{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a","tool_calls":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2},"stats":{},"system_fingerprint":"m"}"#
        let (output, capture, reply) = try Exchange(profile: .generic).whole(body)
        #expect(output == body && reply.recognized == .lmStudio)
        #expect(capture.level == .text && capture.problems == ["no_token_data"])
    }
}
