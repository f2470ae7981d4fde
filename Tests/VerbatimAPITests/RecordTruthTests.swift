import TestSupport
import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimSchema
import VerbatimTesting

/// What makes a record incomplete, although the reply looks whole.
@Suite struct RecordTruthTests {
    private static func event(
        _ entries: String, text: String = "Hi", api: API = .chatCompletions, rest: String = "", index: Int = 0
    ) -> String {
        let content = api == .chatCompletions ? #""delta":{"content":"\#(text)"}"# : #""text":"\#(text)""#
        return
            #"{"choices":[{"index":\#(index),\#(content),"logprobs":{"content":[\#(entries)]},"finish_reason":"stop"\#(rest)}]}"#
    }

    private static func body(_ entries: String, text: String = "Hi", api: API = .chatCompletions) -> String {
        event(entries, text: text, api: api).replacing(#""delta""#, with: #""message""#)
    }

    private func stream(
        _ events: [String], _ profile: EngineProfile = .openAI, api: API = .chatCompletions, fields: String = ""
    ) throws -> Capture {
        try Exchange(profile: profile, api: api, fields: fields).stream(events).reply.captured()
    }

    private func whole(
        _ body: String, _ profile: EngineProfile = .openAI, api: API = .chatCompletions, fields: String = ""
    ) throws -> Capture {
        try Exchange(profile: profile, api: api, fields: fields).whole(body).capture
    }

    // MARK: Replies without output

    @Test(
        arguments: [
            [], ["null"], ["{}"], [#"{"choices":[]}"#], [#"{"id":"a","object":"chat.completion.chunk"}"#],
            ["null", "{}", "[]", "7"],
        ], [API.chatCompletions, .completions])
    func streamWithoutAChoiceIsIncomplete(events: [String], api: API) throws {
        let capture = try stream(events, .vllm, api: api)
        #expect(capture.problems == ["no_token_data"] && !capture.isComplete && capture.level == .none)
        let counted = try stream(events + [#"{"choices":[],"usage":{"completion_tokens":3}}"#], .vllm, api: api)
        #expect(counted.problems == ["no_token_data", "token_count_mismatch"] && !counted.isComplete)
    }

    @Test func commentsAloneAreNoReply() throws {
        let reply = try Exchange(profile: .vllm).request(#""stream":true"#).reply
        let capture = StreamDriver.run(reply, ": a\n\n: b\n\ndata: [DONE]\n\n").reply.captured()
        #expect(capture.problems == ["no_token_data"] && !capture.isComplete)
    }

    @Test func missingChoicesAreNamedWithoutCaptureOfTokens() throws {
        for isWhole in [true, false] {
            let prepared = try Exchange(profile: .vllm).request(#""stream":\#(!isWhole)"#) { $0.goal = .text }
            let body = Array(#"{"choices":[]}"#.utf8)
            let capture =
                isWhole
                ? readWhole(prepared.reply, body).reply.captured()
                : StreamDriver.run(prepared.reply, events: []).reply.captured()
            #expect(capture.problems == ["choices_missing"] && !capture.isComplete)
        }
    }

    @Test(arguments: [API.chatCompletions, .completions])
    func unfinishedChoiceIsIncomplete(api: API) throws {
        let entry = #"{"token":"Hi","logprob":-0.5}"#
        for reason in ["null", #""""#] {
            let event = Self.event(entry, api: api).replacing(#""stop""#, with: reason)
            #expect(try stream([event], api: api).problems == ["finish_reason_missing"])
            let body = event.replacing(#""delta""#, with: #""message""#)
            #expect(try whole(body, api: api).problems == ["finish_reason_missing"])
        }
        let without = Self.event(entry, api: api).replacing(#","finish_reason":"stop""#, with: "")
        #expect(try !stream([without], api: api).isComplete)
    }

    // MARK: Errors of other forms

    static let errors: [(String, String)] = [
        (#"{"object":"error","message":"boom","type":"BadRequest","param":null,"code":400}"#, "400"),
        (#"{"detail":"boom"}"#, "null"), (#"{"detail":[{"loc":["body"],"msg":"boom"}]}"#, "null"),
        (#"{"type":"error","message":"boom","code":"429"}"#, "429"),
        (#"{"message":"boom","code":"rate_limit"}"#, "null"), (#"{"type":"BadRequestError","message":"boom"}"#, "null"),
    ]

    /// OpenRouter's form for a provider that fails.
    @Test func anErrorInAChoiceIsAnError() throws {
        let first = Self.event(#"{"token":"Hi","logprob":-0.5}"#, api: .chatCompletions)
        let error = #"{"code":502,"message":"boom"}"#
        let last = #"{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error","error":\#(error)}]}"#
        let driver = try Exchange(profile: .vllm, api: .chatCompletions).stream([first, last])
        #expect(driver.errors == [error] && !driver.reply.captured().isComplete)
        let body = try Exchange(profile: .vllm, api: .chatCompletions).whole(last.replacing("delta", with: "message"))
        #expect(body.reply.error.text == error && !body.capture.isComplete)
    }

    @Test(arguments: ["error", "abort"]) func aChoiceThatBrokeOffIsNotComplete(reason: String) throws {
        let event = Self.event(#"{"token":"Hi","logprob":-0.5}"#, api: .chatCompletions)
            .replacing(#""stop""#, with: "\"\(reason)\"")
        #expect(try stream([event], api: .chatCompletions).problems.contains("reply_cut_off"))
    }

    @Test(arguments: errors, [API.chatCompletions, .completions])
    func errorsOfOtherFormsAreErrors(error: (String, String), api: API) throws {
        let first = Self.event(#"{"token":"Hi","logprob":-0.5}"#, api: api)
        let driver = try Exchange(profile: .vllm, api: api).stream([first, error.0])
        #expect(driver.errors == [error.0] && driver.outputText.contains("data: \(error.0)\n\n"))
        let capture = driver.reply.captured()
        #expect(!capture.isComplete && capture.problems == [])
        #expect(
            capture.responseText.hasSuffix(
                #","usage":null,"upstream_status":\#(error.1),"upstream_error":\#(error.0)}"#)
        )
        let body = try Exchange(profile: .vllm, api: api).whole(error.0)
        #expect(body.reply.error.text == error.0 && !body.capture.isComplete && body.output == error.0)
    }

    @Test(arguments: [
        (#"{"a":1}"#, #"{"a":1}"#), ("boom", #""boom""#), (#""boom""#, #""boom""#), ("{}", "{}"), ("[1]", "[1]"),
        (#"{"error":{"code":"503"}}"#, #"{"code":"503"}"#),
    ])
    func eventNamedErrorIsAnError(data: String, error: String) throws {
        for api in [API.chatCompletions, .completions] {
            let reply = try Exchange(profile: .vllm, api: api).request(#""stream":true"#).reply
            let text = "event: error\ndata: \(data)\n\ndata: [DONE]\n\n"
            let driver = StreamDriver.run(reply, text)
            #expect(driver.errors == [error] && driver.outputText == text)
            #expect(!driver.reply.captured().isComplete && driver.reply.captured().problems == [])
        }
    }

    @Test(arguments: [
        (#"{"code":"429"}"#, "429"), (#"{"code":429}"#, "429"), (#"{"code":"rate_limit_exceeded"}"#, "null"),
        (#"{"code":null}"#, "null"), (#"{"message":"m"}"#, "null"),
    ])
    func statusOfAnErrorIsItsCode(error: String, status: String) throws {
        let capture = try stream([#"{"error":\#(error)}"#])
        #expect(capture.responseText.hasSuffix(#""upstream_status":\#(status),"upstream_error":\#(error)}"#))
        #expect(!capture.problems.contains("reply_cut_off"))
    }

    /// A reply may have fields of these names.
    @Test func repliesAreNoErrors() throws {
        let body = #"{"message":"ok","detail":"x",\#(Self.body(#"{"token":"Hi","logprob":-1}"#).dropFirst())"#
        #expect(try whole(body).isComplete)
        let note = #"{"message":"processing"}"#
        #expect(try stream([note, Self.event(#"{"token":"Hi","logprob":-1}"#)]).isComplete)
    }

    // MARK: Token texts and the text

    private static func entries(_ tokens: [String]) -> String {
        tokens.map { #"{"token":"\#($0)","logprob":-0.5}"# }.joined(separator: ",")
    }

    @Test(arguments: [API.chatCompletions, .completions])
    func tokensOfAnotherTextAreMarked(api: API) throws {
        let wrong = Self.entries(["Bye", "?", "<e>"])
        #expect(try whole(Self.body(wrong, text: "Hi!", api: api), api: api).problems == ["token_text_mismatch"])
        #expect(try stream([Self.event(wrong, text: "Hi!", api: api)], api: api).problems == ["token_text_mismatch"])
        let right = Self.event(Self.entries(["Hi"]), api: api)
        let second = Self.event(wrong, api: api, index: 1)
        #expect(try stream([right, second], api: api, fields: #""n":2"#).problems == ["token_text_mismatch"])
    }

    @Test func tokensInListsAreCompared() throws {
        func choice(_ token: String) -> String {
            #"{"choices":[{"index":0,"text":"Hi","logprobs":{"tokens":["\#(token)"],"token_logprobs":[-1]},"finish_reason":"stop"}]}"#
        }
        #expect(try whole(choice("No"), api: .completions).problems == ["token_text_mismatch"])
        #expect(try whole(choice("Hi"), api: .completions).isComplete)
    }

    @Test(arguments: [
        // Special tokens, reasoning, what a stop string cut off, white space.
        (["Hi", "<e>"], "Hi"), (["<think>", "Hm", "</think>", "\\n\\n", "Hi"], "Hi"), (["Hi", "STOP"], "Hi"),
        ([" Hi"], "Hi"), (["\u{2581}Hi"], "Hi"), (["\u{120}Hi", "\u{10A}"], "Hi\\n"), (["Hi"], "<think>\\nHi"),
        // Parts of characters, in several spellings.
        (["\u{FFFD}", "\u{FFFD}", "a"], "🙂a"), (["\\\\xf0\\\\x9f", "\\\\x99\\\\x82", "a"], "🙂a"),
        (["ðŁ", "ĻĤ", "a"], "🙂a"), (["\\u00e9", "b"], "éb"), (["é"], "\\u00e9"),
        // Escapes.
        (["\\u0041", "\\\"", "\\/"], "A\\\"/"), (["token_id:5", "token_id:6"], "Hi"), (["\\t", "H", "i"], "Hi"),
    ])
    func tokensOfTheTextAreNot(tokens: [String], text: String) throws {
        #expect(try stream([Self.event(Self.entries(tokens), text: text)]).problems == [])
        #expect(try whole(Self.body(Self.entries(tokens), text: text)).problems == [])
    }

    /// llama.cpp repeats the message that the reply continues.
    @Test(arguments: [("assistant", true), ("user", false)])
    func continuedMessageIsNoMismatch(role: String, isComplete: Bool) throws {
        let fields = #""messages":[{"role":"user","content":"a"},{"role":"\#(role)","content":"Oh"}]"#
        let body = Self.body(Self.entries(["Hi"]), text: "OhHi")
        #expect(try whole(body, fields: fields).isComplete == isComplete)
    }

    // MARK: Tokens without a text, ids, values

    @Test(arguments: [
        #"{"logprob":-0.5}"#, #"{"token":null,"logprob":-0.5}"#, #"{"token":7,"logprob":-0.5,"bytes":[]}"#,
    ])
    func tokenWithoutATextIsMarked(entry: String) throws {
        let capture = try stream([Self.event(entry, rest: #","token_ids":[5]"#)], .vllm)
        #expect(capture.problems == ["token_text_missing"] && !capture.isComplete)
        #expect(capture.choices.first?.tokensText == "" && capture.choices.first?.idsText == "5")
        let two = try whole(Self.body(#"{"token":"Hi","logprob":-1},\#(entry)"#))
        #expect(two.problems == ["token_text_missing"])
        #expect(two.choices.first?.tokensText == "\"Hi\",\"\u{FFFD}\"")
    }

    @Test func bytesGiveATextToATokenWithoutOne() throws {
        let entries =
            #"{"token":null,"logprob":-1,"bytes":[72,105]},{"logprob":-2,"bytes":[240,159]},{"logprob":-1,"bytes":[34]}"#
        for capture in [
            try stream([Self.event(entries, text: #"Hi\""#)]), try whole(Self.body(entries, text: #"Hi\""#)),
        ] {
            #expect(capture.choices.first?.tokensText == "\"Hi\",\"\u{FFFD}\",\"\\\"\"")
            #expect(capture.isComplete)
        }
    }

    static let noIDs = [
        "1.5", "-1", #""5""#, "1e3", "9223372036854775808", "1.0", "true", "[1]", "12345678901234567890",
    ]

    @Test(arguments: noIDs)
    func idsThatAreNoNumbersAreMarked(id: String) throws {
        let entry = #"{"token":"Hi","logprob":-0.5}"#
        let listed = try stream([Self.event(entry, rest: #","token_ids":[\#(id)]"#)], .vllm)
        #expect(listed.problems == ["token_id_invalid"] && listed.choices.first?.idsText == "null")
        let inEntry = try whole(Self.body(#"{"id":\#(id),"token":"Hi","logprob":-0.5}"#), .llamaCpp)
        #expect(inEntry.problems == ["token_id_invalid"] && inEntry.level == .logprobs)
        let atEnd = #"{"choices":[],"sglext":{"output_ids":[[\#(id)]]}}"#
        #expect(try stream([Self.event(entry), atEnd], .sglang).problems == ["token_id_invalid"])
        let prompt = #","prompt_token_ids":[1,\#(id)]"#
        let completion = Self.event(entry, api: .completions, rest: #","token_ids":[5]\#(prompt)"#)
        #expect(try stream([completion], .vllm, api: .completions).problems == ["token_id_invalid"])
    }

    @Test func greatestIDIsAnID() throws {
        let event = Self.event(
            #"{"token":"Hi","logprob":-0.5}"#, rest: #","token_ids":[9223372036854775807]"#)
        #expect(try stream([event], .vllm).isComplete)
    }

    @Test(arguments: ["0.5", "1", "1e-3", "1e999", "7E2"])
    func positiveLogprobsAreMarked(value: String) throws {
        let entry = #"{"token":"Hi","logprob":\#(value)}"#
        for capture in [try stream([Self.event(entry)]), try whole(Self.body(entry))] {
            #expect(capture.problems == ["logprob_invalid"] && !capture.isComplete)
            #expect(capture.choices.first?.valuesText == "null")
        }
        let lists =
            #"{"choices":[{"index":0,"text":"Hi","logprobs":{"tokens":["Hi"],"token_logprobs":[\#(value)]},"finish_reason":"stop"}]}"#
        #expect(try whole(lists, api: .completions).problems == ["logprob_invalid"])
    }

    @Test(arguments: ["-1e999", "NaN", "Infinity", "-Infinity", #""NaN""#])
    func infiniteLogprobsAreMarked(value: String) throws {
        let capture = try stream([Self.event(#"{"token":"Hi","logprob":\#(value)}"#)])
        #expect(!capture.isComplete && capture.choices.first?.valuesText == "null")
    }
}
