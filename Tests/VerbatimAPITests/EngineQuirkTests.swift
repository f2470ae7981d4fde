import TestSupport
import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimSchema
import VerbatimTesting

/// Token data that single engines send or need in forms of their own.
@Suite struct EngineQuirkTests {
    // MARK: DeepSeek

    private static func entry(_ token: String, _ value: String = "-0.5") -> String {
        #"{"token":"\#(token)","logprob":\#(value)}"#
    }

    private static func chunk(_ delta: String, _ logprobs: String, end: String = "null") -> String {
        #"{"choices":[{"index":0,"delta":\#(delta),"logprobs":\#(logprobs),"finish_reason":\#(end)}]}"#
    }

    @Test func documentedReasoningLogprobsComeFirst() throws {
        let events = [
            Self.chunk(
                #"{"reasoning_content":"Hm"}"#, #"{"content":null,"reasoning_content":[\#(Self.entry("Hm", "-0.7"))]}"#),
            Self.chunk(#"{"content":"Hi"}"#, #"{"content":[\#(Self.entry("Hi"))],"reasoning_content":null}"#),
            Self.chunk("{}", "null", end: #""stop""#),
            #"{"choices":[],"usage":{"completion_tokens":2}}"#,
        ]
        let capture = try Exchange(profile: .generic).stream(events).reply.captured()
        let choice = try #require(capture.choices.first)
        #expect(choice.tokensText == #""Hm","Hi""# && choice.valuesText == "-0.7,-0.5")
        #expect(choice.logprobs?.count == 2)
        #expect(capture.level == .logprobs && capture.isComplete)
        #expect(capture.responseText.contains(#""logprobs":null"#))
    }

    @Test(arguments: [true, false])
    func documentedReasoningLogprobsOfABody(isReasoningFirst: Bool) throws {
        let reasoning = #""reasoning_content":[\#(Self.entry("H", "-1")),\#(Self.entry("m", "-2"))]"#
        let content = #""content":[\#(Self.entry("Hi", "-3"))]"#
        let logprobs = isReasoningFirst ? "\(reasoning),\(content)" : "\(content),\(reasoning)"
        let body =
            #"{"choices":[{"index":0,"message":{"content":"Hi","reasoning_content":"Hm"},"logprobs":{\#(logprobs)},"finish_reason":"stop"}],"usage":{"completion_tokens":3}}"#
        let capture = try Exchange(profile: .generic).whole(body).capture
        #expect(capture.choices.first?.tokensText == #""H","m","Hi""#)
        #expect(capture.choices.first?.valuesText == "-1,-2,-3" && capture.isComplete)
        #expect(capture.choices.first?.logprobs?.count == 3)
    }

    // MARK: Together

    @Test func documentedTogetherIDsInTheLogprobs() throws {
        let logprobs = #"{"token_ids":[5,6],"tokens":["H","i"],"token_logprobs":[-0.5,-1]}"#
        let body =
            #"{"choices":[{"index":0,"message":{"content":"Hi"},"logprobs":\#(logprobs),"finish_reason":"stop"}],"usage":{"completion_tokens":2}}"#
        let capture = try Exchange(profile: .generic).whole(body).capture
        #expect(capture.choices.first?.idsText == "5,6" && capture.choices.first?.tokensText == #""H","i""#)
        #expect(capture.level == .tokens && capture.isComplete)
        let event = Self.chunk(#"{"content":"Hi"}"#, logprobs, end: #""stop""#)
        let streamed = try Exchange(profile: .generic).stream([event, event]).reply.captured()
        #expect(streamed.choices.first?.idsText == "5,6,5,6" && streamed.level == .tokens)
        let completion = #"{"choices":[{"index":0,"text":"Hi","logprobs":\#(logprobs),"finish_reason":"stop"}]}"#
        let lists = try Exchange(profile: .generic, api: .completions).whole(completion).capture
        #expect(lists.choices.first?.idsText == "5,6" && lists.isComplete)
    }

    // MARK: mlx-lm

    private static let fingerprint = "0.31.1-0.32.0-macOS-26-arm64-applegpu_g16s"

    private static func mlx(_ entries: String, _ content: String = #""message":{"content":"Hi!"}"#) -> String {
        #"{"id":"1","system_fingerprint":"\#(fingerprint)","choices":[{"index":0,"finish_reason":"stop","logprobs":{"content":[\#(entries)]},\#(content)}],"usage":{"completion_tokens":3}}"#
    }

    @Test(arguments: [API.chatCompletions, .completions])
    func documentedMLXIsAskedWithoutAlternatives(api: API) throws {
        let body = try Exchange(profile: .mlxLM, api: api).request("").bodyText
        #expect(body == #"{"logprobs":true}"#)
        #expect(try Exchange(profile: .mlxLM, api: api).request(#""stream":true"#).bodyText == #"{"stream":true}"#)
        let content = api == .completions ? #""text":"Hi!""# : #""message":{"content":"Hi!"}"#
        let entries = #"{"id":5,"logprob":-0.5},{"id":6,"logprob":-0.25},{"id":9,"logprob":-0.1}"#
        let (output, capture, _) = try Exchange(profile: .mlxLM, api: api).whole(Self.mlx(entries, content))
        #expect(!output.contains("logprobs"))
        let choice = try #require(capture.choices.first)
        #expect(choice.idsText == "5,6,9" && choice.valuesText == "-0.5,-0.25,-0.1" && choice.tokensText == "")
        #expect(capture.level == .tokens && capture.isComplete)
    }

    @Test func documentedMLXIsNoLlamaCpp() throws {
        let entries =
            #"{"id":70,"token":"Bye","logprob":-3.5,"top_logprobs":[]},{"id":71,"token":"?","logprob":-4.5},{"id":9,"token":"<e>","logprob":-0.1}"#
        let (_, capture, reply) = try Exchange(profile: .generic).whole(Self.mlx(entries))
        #expect(reply.recognized == .mlxLM)
        #expect(capture.problems == ["token_text_mismatch"] && !capture.isComplete)
        // Older builds have no fingerprint.
        let old = Self.mlx(entries).replacing(#""system_fingerprint":"\#(Self.fingerprint)","#, with: "")
        #expect(try Exchange(profile: .generic).whole(old).reply.recognized == nil)
    }

    /// Texts are missing only where the engine is known to send none.
    @Test func mlxEntriesMayLackAllTextsOnly() throws {
        let entries = #"{"id":5,"token":"Hi!","logprob":-0.5},{"id":6,"logprob":-0.25},{"id":9,"logprob":-0.1}"#
        #expect(try Exchange(profile: .mlxLM).whole(Self.mlx(entries)).capture.problems == ["token_text_missing"])
    }

    // MARK: logprobs with an unusable top_logprobs

    private static func off(_ fields: String, _ profile: EngineProfile) throws -> PreparedExchange {
        try Exchange(profile: profile, fields: fields).request("")
    }

    @Test func vLLMGivesNoLogprobsForANullOfAlternatives() throws {
        let prepared = try Self.off(#""logprobs":true,"top_logprobs":null"#, .vllm)
        #expect(prepared.bodyText == #"{"logprobs":true,"top_logprobs":5,"return_token_ids":true}"#)
        #expect(prepared.clientFieldTexts == ["top_logprobs=null", "return_token_ids=-"])
        #expect(prepared.bestPossibleLevel == .tokens)
        let body =
            #"{"choices":[{"index":0,"message":{"content":"Hi"},"logprobs":{"content":[\#(Self.entry("Hi"))]},"finish_reason":"stop","token_ids":[5]}],"usage":{"completion_tokens":1}}"#
        let read = readWhole(prepared.reply, Array(body.utf8))
        #expect(
            String(decoding: read.output, as: UTF8.self).contains(
                #""logprobs":null,"finish_reason":"stop","token_ids":null"#))
        #expect(read.reply.captured().level == .tokens && read.reply.captured().isComplete)
    }

    @Test(arguments: [
        (EngineProfile.vllm, "0"), (.vllm, "3"), (.sglang, "null"), (.openAI, "null"), (.generic, "null"),
        (.llamaCpp, "null"), (.llamaCpp, "1"),
    ])
    func otherRequestsForLogprobsAreKept(profile: EngineProfile, top: String) throws {
        let prepared = try Self.off(#""logprobs":true,"top_logprobs":\#(top)"#, profile)
        #expect(prepared.injection.topLogprobs == nil)
        #expect(prepared.bodyText.hasPrefix(#"{"logprobs":true,"top_logprobs":\#(top)"#))
    }

    @Test func llamaCppGivesNoLogprobsWithoutAlternatives() throws {
        let prepared = try Self.off(#""logprobs":true,"top_logprobs":0"#, .llamaCpp)
        #expect(prepared.bodyText.hasPrefix(#"{"logprobs":true,"top_logprobs":5"#))
        let body =
            #"{"choices":[{"index":0,"logprobs":{"content":[{"id":5,"token":"Hi","bytes":[72,105],"logprob":-1}]},"message":{"content":"Hi"},"finish_reason":"stop"}]}"#
        let output = String(decoding: readWhole(prepared.reply, Array(body.utf8)).output, as: UTF8.self)
        #expect(output == #"{"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}]}"#)
        // The engine refuses this for its tools.
        let tools = #""logprobs":true,"top_logprobs":0,"stream":true,"tools":[{"type":"function"}]"#
        #expect(try Self.off(tools, .llamaCpp).injection.topLogprobs == nil)
    }

    @Test(arguments: [EngineProfile.generic, .vllm])
    func logprobsThatDidNotComeAreNamed(profile: EngineProfile) throws {
        let body =
            #"{"choices":[{"index":0,"message":{"content":"Hi"},"logprobs":null,"finish_reason":"stop","token_ids":[5]}]}"#
        let exchange = Exchange(profile: profile, fields: #""logprobs":true,"top_logprobs":null"#)
        let capture = try exchange.whole(body).capture
        #expect(capture.level == .ids && capture.problems == ["no_logprobs"] && !capture.isComplete)
    }

    // MARK: Stop strings of llama.cpp

    private static func llama(_ tokens: Int, stop: String?, counted: Int, api: API = .chatCompletions) -> [String] {
        let events = (0..<tokens).map { index in
            let content = api == .completions ? #""text":"a""# : #""delta":{"content":"a"}"#
            return
                #"{"choices":[{"index":0,\#(content),"logprobs":{"content":[{"id":\#(index),"token":"a","bytes":[97],"logprob":-1.\#(index)}]},"finish_reason":null}]}"#
        }
        let verbose =
            stop.map { #","__verbose":{"index":0,"tokens":[],"stop":true,"stop_type":"\#($0)","prompt":"long"}"# } ?? ""
        let end = api == .completions ? #""text":"""# : #""delta":{}"#
        return events + [
            #"{"choices":[{"index":0,\#(end),"finish_reason":"stop"}],"timings":{"predicted_n":\#(counted)}\#(verbose)}"#
        ]
    }

    @Test(
        arguments: [
            ("word", ["token_count_mismatch"]), ("eos", ["end_token_missing"]), (nil, ["token_count_mismatch"]),
        ] as [(String?, [ProblemCode])], [API.chatCompletions, .completions])
    func stopStringLeavesOutAnyToken(stop: (String?, [ProblemCode]), api: API) throws {
        let exchange = Exchange(profile: .llamaCpp, api: api, fields: #""stop":["b"]"#)
        let driver = try exchange.stream(Self.llama(3, stop: stop.0, counted: 4, api: api))
        #expect(driver.reply.captured().problems == stop.1)
        #expect(!driver.outputText.contains("__verbose") && !driver.outputText.contains("long"))
        #expect(!driver.reply.captured().responseText.contains("__verbose"))
        #expect(driver.reply.captured().choices.first?.idsText == "0,1,2")
    }

    @Test func streamWithoutStopStringsEndsWithItsEndToken() throws {
        let exchange = Exchange(profile: .llamaCpp)
        #expect(
            try exchange.stream(Self.llama(3, stop: nil, counted: 4)).reply.captured().problems == ["end_token_missing"]
        )
        #expect(try exchange.request(#""stream":true"#).injection.ids == [])
        let stops = try Exchange(profile: .llamaCpp, fields: #""stop":"b""#).request(#""stream":true"#)
        #expect(stops.injection.ids == [.flag("verbose")])
    }

    /// An agent that asks for `verbose` itself keeps it, and the tokens of single events are not those of the choice.
    @Test func verboseOfTheAgentStays() throws {
        let events = Self.llama(2, stop: "eos", counted: 3).map {
            $0.contains("__verbose") ? $0 : String($0.dropLast()) + #","__verbose":{"tokens":[7],"stop":false}}"#
        }
        let driver = try Exchange(profile: .llamaCpp, fields: #""stop":"b","verbose":true"#).stream(events)
        #expect(driver.outputText.contains("__verbose"))
        #expect(driver.reply.captured().choices.first?.idsText == "0,1")
        #expect(driver.reply.captured().problems == ["end_token_missing"])
    }
}
