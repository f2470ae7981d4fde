import TestSupport
import VerbatimSchema
import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimTesting

/// SGLang 0.5, after its sources (`srt/entrypoints/openai`).
@Suite struct DocumentedSGLangTests {
    private static let a = #"{"token":"Hi","logprob":-0.12,"bytes":[72,105],"top_logprobs":[]}"#
    private static let b = #"{"token":"<|im_end|>","logprob":-0.5,"bytes":[60],"top_logprobs":[]}"#
    private static let usage = #""usage":{"prompt_tokens":2,"completion_tokens":2,"total_tokens":4}"#

    // MARK: Whole replies

    private func body(_ logprobs: String, _ ids: String) -> String {
        #"{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":"#
            + #"{"role":"assistant","content":"Hi","reasoning_content":null,"tool_calls":null},"logprobs":\#(logprobs),"#
            + #""finish_reason":"stop","matched_stop":151645\#(ids)}],\#(Self.usage),"#
            + #""metadata":{"weight_version":"default"}}"#
    }

    private static let promptIDs = #","prompt_token_ids":[9,8]"#
    private static let completionIDs = #","response_token_ids":[13048,151645]"#

    @Test(arguments: [EngineProfile.sglang, .generic])
    func documentedWholeReply(profile: EngineProfile) throws {
        let entries = #"{"content":[\#(Self.a),\#(Self.b)]}"#
        let (output, capture, reply) = try Exchange(profile: profile).whole(
            body(entries, Self.promptIDs + Self.completionIDs))
        #expect(output == body("null", ""))
        let choice = try #require(capture.choices.first)
        #expect(choice.idsText == "13048,151645" && choice.valuesText == "-0.12,-0.5")
        #expect(capture.promptTokenIDs.text == "[9,8]")
        #expect(capture.level == .tokens && capture.isComplete)
        #expect(reply.recognized == (profile == .generic ? .sglang : nil))
    }

    @Test func documentedFieldsOfAWholeReply() throws {
        #expect(
            try Exchange(profile: .sglang).request("").bodyText
                == #"{"logprobs":true,"top_logprobs":5,"return_token_ids":true,"return_prompt_token_ids":true}"#)
    }

    /// Exactly what was injected is removed. If the agent asked for one kind of ids, only the other kind is.
    @Test(
        arguments: [
            (#""return_token_ids":true"#, completionIDs, false), (#""return_prompt_token_ids":true"#, promptIDs, false),
            (#""return_token_ids":true,"return_prompt_token_ids":true"#, promptIDs + completionIDs, false),
            (#""logprobs":true"#, "", true),
        ], [EngineProfile.sglang, .generic])
    func documentedRequestedFieldsAreKept(
        asked: (fields: String, kept: String, keepsLogprobs: Bool), profile: EngineProfile
    ) throws {
        let entries = #"{"content":[\#(Self.a),\#(Self.b)]}"#
        let exchange = Exchange(profile: profile, fields: asked.fields)
        // An unknown engine is not asked for the prompt's ids, so it sends them only if the agent asked for them.
        let hasPromptIDs = profile == .sglang || asked.fields.contains("return_prompt_token_ids")
        let ids = (hasPromptIDs ? Self.promptIDs : "") + Self.completionIDs
        let (output, capture, _) = try exchange.whole(body(entries, ids))
        #expect(output == body(asked.keepsLogprobs ? entries : "null", asked.kept))
        #expect(capture.level == .tokens && capture.isComplete)
    }

    /// Data that are never injected are kept.
    @Test func documentedMetaInfoStays() throws {
        let meta = #","meta_info":{"output_token_logprobs":[[-0.12,13048,null]]}"#
        let exchange = Exchange(profile: .sglang, fields: #""return_meta_info":true"#)
        #expect(try exchange.whole(body("null", meta + Self.completionIDs)).output == body("null", meta))
    }

    /// Older builds ignore the fields for ids.
    @Test func documentedOlderWholeReply() throws {
        let (output, capture, _) = try Exchange(profile: .sglang).whole(
            body(#"{"content":[\#(Self.a),\#(Self.b)]}"#, ""))
        #expect(output == body("null", ""))
        #expect(capture.level == .logprobs && capture.isComplete)
    }

    // MARK: Streams

    private static func chunk(_ delta: String, _ logprobs: String = "null", end: String = "null", index: Int = 0)
        -> String
    {
        #"{"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":\#(index),"delta":"#
            + #"\#(delta),"logprobs":\#(logprobs),"finish_reason":\#(end),"matched_stop":null}]}"#
    }
    private static func rest(_ members: String) -> String {
        #"{"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],\#(members)}"#
    }
    private static func content(_ text: String) -> String {
        #"{"role":null,"content":\#(text),"reasoning_content":null,"tool_calls":null}"#
    }
    private static let role = chunk(#"{"role":"assistant","content":"","reasoning_content":null,"tool_calls":null}"#)
    private static let extensions = #""sglext":{"input_ids":[9,8],"output_ids":[[13048,151645]]}"#

    @Test(arguments: [extensions, #""sglext":{"output_ids":[13048,151645],"input_ids":[9,8]}"#])
    func documentedStream(sglext: String) throws {
        let driver = try Exchange(profile: .sglang).stream([
            Self.role, Self.chunk(Self.content(#""Hi""#), #"{"content":[\#(Self.a)]}"#),
            // With a tool parser, log-probabilities that were held back come in a chunk without text.
            Self.chunk(Self.content("null"), #"{"content":[\#(Self.b)]}"#), Self.chunk("{}", end: #""stop""#),
            Self.rest(sglext), Self.rest(Self.usage),
        ])
        #expect(
            driver.outputText
                == streamText([
                    Self.role, Self.chunk(Self.content(#""Hi""#)), Self.chunk("{}", end: #""stop""#),
                    Self.rest(Self.usage),
                ]))
        let capture = driver.reply.captured()
        #expect(capture.choices.first?.idsText == "13048,151645")
        #expect(capture.choices.first?.valuesText == "-0.12,-0.5")
        #expect(capture.promptTokenIDs.text == "[9,8]")
        #expect(capture.level == .tokens && capture.isComplete)
    }

    @Test func documentedFieldsOfAStream() throws {
        #expect(
            try Exchange(profile: .sglang).request(#""stream":true"#).bodyText
                == #"{"stream":true,"logprobs":true,"top_logprobs":5,"return_input_ids_in_sglext":true,"#
                + #""return_output_ids_in_sglext":true}"#)
    }

    @Test(arguments: [
        // Requested data are kept, and so are unrelated members.
        (
            #""return_input_ids_in_sglext":true"#, #""sglext":{"input_ids":[9],"output_ids":[[1]]}"#,
            #""sglext":{"input_ids":[9]}"#
        ),
        (
            #""return_output_ids_in_sglext":true"#, #""sglext":{"input_ids":[9],"output_ids":[[1]]}"#,
            #""sglext":{"output_ids":[[1]]}"#
        ),
        (
            #""return_routed_experts":true"#, #""sglext":{"routed_experts":"x","input_ids":[9],"output_ids":[[1]]}"#,
            #""sglext":{"routed_experts":"x"}"#
        ),
        (
            #""return_input_ids_in_sglext":true,"return_output_ids_in_sglext":true"#,
            #""sglext":{"input_ids":[9],"output_ids":[[1]]}"#, #""sglext":{"input_ids":[9],"output_ids":[[1]]}"#
        ),
        // In the chunk with the usage.
        ("", #""sglext":{"output_ids":[[1]]},\#(usage)"#, usage),
    ])
    func documentedRequestedExtensionsAreKept(fields: String, sent: String, received: String) throws {
        let driver = try Exchange(profile: .sglang, fields: fields).stream([
            Self.chunk(Self.content(#""Hi""#)), Self.rest(sent),
        ])
        #expect(driver.outputText == streamText([Self.chunk(Self.content(#""Hi""#)), Self.rest(received)]))
        #expect(driver.reply.captured().choices.first?.idsText == "1")
    }

    @Test func documentedIDsOfSeveralChoices() throws {
        let events = [
            Self.chunk(Self.content(#""Hi""#), #"{"content":[\#(Self.a)]}"#, index: 1),
            Self.chunk(Self.content(#""Hi""#), #"{"content":[\#(Self.a)]}"#),
            Self.chunk(Self.content(#""""#), #"{"content":[\#(Self.b)]}"#, index: 1),
            Self.rest(#""sglext":{"input_ids":[9],"output_ids":[[1],[2,3]]}"#),
            finish, finish.replacing(#""index":0"#, with: #""index":1"#),
        ]
        let capture = try Exchange(profile: .sglang, fields: #""n":2"#).stream(events).reply.captured()
        #expect(capture.choices.map(\.idsText) == ["1", "2,3"])
        #expect(capture.level == .tokens && capture.isComplete)
        // Ids of a choice that never came are ignored.
        let one = try Exchange(profile: .sglang).stream([events[1], events[3]]).reply.captured()
        #expect(one.choices.map(\.idsText) == ["1"])
    }

    /// Empty chunks that are not caused by token data, and chunks with a role or a finish reason, are not dropped.
    @Test(arguments: [
        chunk(content(#""""#)), role, chunk(#"{"role":"assistant","content":""}"#, #"{"content":[\#(a)]}"#),
        chunk(content("null"), #"{"content":[\#(a)]}"#, end: #""length""#),
        chunk(#"{"tool_calls":[]}"#, #"{"content":[\#(a)]}"#), chunk(content(#"" ""#), #"{"content":[\#(a)]}"#),
    ])
    func documentedOtherChunksAreForwarded(event: String) throws {
        let driver = try Exchange(profile: .sglang).stream([event])
        #expect(driver.events.first?.isDropped == false)
    }

    /// Chunks that the agent's own request has caused are not dropped.
    @Test func documentedRequestedFlushIsKept() throws {
        let event = Self.chunk(Self.content("null"), #"{"content":[\#(Self.b)]}"#)
        let driver = try Exchange(profile: .sglang, fields: #""logprobs":true"#).stream([event])
        #expect(driver.outputText == streamText([event]))
    }

    /// Older builds ignore the fields, and lose what is held back while a tool call is parsed.
    @Test func documentedOlderStream() throws {
        let events = [
            Self.role, Self.chunk(Self.content(#""Hi""#), #"{"content":[\#(Self.a)]}"#),
            Self.chunk(#"{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}]}"#),
            Self.chunk("{}", end: #""tool_calls""#),
        ]
        let capture = try Exchange(profile: .sglang).stream(events).reply.captured()
        #expect(capture.level == .logprobs && capture.problems == ["hidden_tokens_missing"])
        let counted = try Exchange(profile: .sglang).stream(events + [Self.rest(Self.usage)]).reply.captured()
        #expect(counted.problems.contains("token_count_mismatch"))
    }

    // MARK: Refusals

    static let refusal =
        #"{"object":"error","message":"return_token_ids is not supported with streaming on /v1/chat/completions. "#
        + #"Please set stream=false when using return_token_ids=true.","type":"BadRequest","param":null,"code":400}"#

    /// An unknown engine is asked like vLLM. Its refusal identifies it, and the next attempt uses its own fields.
    @Test func documentedRefusalLeadsToTheOtherFields() throws {
        #expect(EngineRecognition.profile(forRefusal: Self.refusal) == .sglang)
        let next = try #require(
            try injectionLimits(after: 400, Self.refusal, profile: .generic, isStream: true))
        #expect(next.logprobs && !next.tokenIDs)
        let first = try Exchange(profile: .generic).request(#""stream":true"#).injection
        let second = try Exchange(profile: .sglang).request(#""stream":true"#).injection
        #expect(first != second && second.ids.count == 2 && second.topLogprobs == 5)
    }

    @Test func documentedErrorInAStream() throws {
        let event = #"{"error":{"object":"error","message":"m","type":"InternalServerError","param":null,"code":500}}"#
        let driver = try Exchange(profile: .sglang).stream([Self.role, event])
        #expect(driver.outputText == streamText([Self.role, event]) && driver.errors.count == 1)
        #expect(!driver.reply.captured().problems.contains("reply_cut_off"))
    }

    // MARK: Completions

    private static func completion(_ text: String, _ logprobs: String, _ ids: String) -> String {
        #"{"id":"1","object":"text_completion","created":1,"choices":[{"index":0,"text":"\#(text)","#
            + #""logprobs":\#(logprobs),"finish_reason":"stop","matched_stop":null\#(ids)}],"model":"m","usage":null}"#
    }

    @Test(arguments: [EngineProfile.sglang, .generic], [true, false])
    func documentedCompletion(profile: EngineProfile, isStream: Bool) throws {
        func lists(_ token: String) -> String {
            #"{"text_offset":[-1],"token_logprobs":[-0.5],"tokens":["\#(token)"],"top_logprobs":[{"a":-0.5}]}"#
        }
        let events = [
            Self.completion("a", lists("a"), #","token_ids":[5],"prompt_token_ids":[1,2]"#),
            // Such an event comes without token data as well.
            Self.completion("", lists(""), #","token_ids":[6]"#),
        ]
        let exchange = Exchange(profile: profile, api: .completions)
        if isStream {
            let driver = try exchange.stream(events)
            #expect(
                driver.outputText == streamText([Self.completion("a", "null", ""), Self.completion("", "null", "")]))
            #expect(driver.reply.captured().choices.first?.idsText == "5,6")
            #expect(driver.reply.captured().level == .tokens && driver.reply.captured().isComplete)
        } else {
            let (output, capture, _) = try exchange.whole(events[0])
            #expect(output == Self.completion("a", "null", ""))
            #expect(capture.promptTokenIDs.text == "[1,2]" && capture.isComplete)
        }
    }
}
