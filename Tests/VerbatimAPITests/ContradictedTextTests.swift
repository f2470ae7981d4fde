import TestSupport
import Testing
import VerbatimAPI
import VerbatimSchema

/// What contradicts a reply, in whatever script: the record must not call it complete.
@Suite struct ContradictedTextTests {
    private func problems(
        of content: String, tokens: [String], more: String = "", usage: Int? = nil
    ) throws -> [ProblemCode] {
        let entries = tokens.enumerated().map { #"{"token":"\#($1)","logprob":-0.\#($0)1,"bytes":[]}"# }
        let ids = tokens.indices.map { "\($0 + 5)" }.joined(separator: ",")
        let body =
            #"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","#
            + #""content":"\#(content)"\#(more)},"logprobs":{"content":[\#(entries.joined(separator: ","))]},"#
            + #""finish_reason":"stop","token_ids":[\#(ids)]}],"usage":{"completion_tokens":\#(usage ?? tokens.count)}}"#
        var prepared = try prepare(#"{"model":"m"}"#, profile: .vllm)
        _ = prepared.reply.read(body: Array(body.utf8).span)
        return prepared.reply.captured().problems
    }

    @Test(arguments: [
        ("你好！", ["Bye", "?", "<e>"]), ("你好世界", ["天", "地"]), ("naïve 你", ["naive", "好"]), ("😀", ["😁"]),
        (#"\u4f60"#, ["好"]), ("a你b", ["a", "b"]),
    ])
    func otherTexts(content: String, tokens: [String]) throws {
        #expect(try problems(of: content, tokens: tokens) == ["token_text_mismatch"])
    }

    @Test(arguments: [
        ("你好！", ["你", "好", "！", "<e>"]), (#"\u4f60好"#, ["你", #"\u597d"#]), ("😀", [#"\ud83d"#, #"\ude00"#]),
        (#"\ud83d\ude00"#, ["😀"]), ("你 好", ["你好"]),
        // Parts of characters, which engines spell in many ways.
        ("你", ["\u{FFFD}", "\u{FFFD}"]), ("你", [#"\ufffd"#, ""]), ("你", ["<0xE4>", "<0xBD>", "<0xA0>"]),
        ("你", ["", "你"]), ("你", [#"bytes:\\xe4"#, #"bytes:\\xbd"#]),
        // A byte-level vocabulary.
        ("你好", ["ä½ł", "å¥½"]), ("é b", ["Ã©", "Ġb"]),
    ])
    func sameTexts(content: String, tokens: [String]) throws {
        #expect(try problems(of: content, tokens: tokens) == [])
    }

    @Test func hiddenPartsOfAWholeReply() throws {
        for part in [
            #","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]"#,
            #","reasoning_content":"why""#, #","function_call":{"name":"f","arguments":"{}"}"#, #","thinking":"why""#,
        ] {
            #expect(try problems(of: "ab", tokens: ["a", "b"], more: part, usage: 9).contains("hidden_tokens_missing"))
            #expect(try problems(of: "ab", tokens: ["why", "a", "b"], more: part) == [])
        }
        #expect(try problems(of: "ab", tokens: ["a", "b"], more: #","tool_calls":[],"reasoning":null"#) == [])
    }

    @Test func aCountOfNothingIsNotBelieved() throws {
        let body =
            #"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"#
            + #""usage":{"completion_tokens":0}}"#
        for (text, expected) in [(body, true), (body.replacing("Hello", with: ""), false)] {
            var prepared = try prepare(#"{"model":"m"}"#, profile: .vllm)
            _ = prepared.reply.read(body: Array(text.utf8).span)
            #expect(prepared.reply.captured().problems.contains("no_token_data") == expected)
        }
    }

    @Test(
        arguments: [
            (#""id":7,"#, "a", "[7]", []), (#""id":5,"#, "a", "[7]", ["ids_logprobs_mismatch"]),
            ("", "token_id:7", "null", []), ("", "token_id:-5", "null", ["token_id_invalid"]),
            ("", "token_id:+7", "null", ["token_id_invalid"]),
        ] as [(String, String, String, [ProblemCode])])
    func idsThatContradict(id: String, token: String, ids: String, expected: [ProblemCode]) throws {
        let body =
            #"{"choices":[{"index":0,"message":{"role":"assistant","content":"a"},"logprobs":{"content":[{\#(id)"#
            + #""token":"\#(token)","logprob":-0.5,"bytes":[97]}]},"finish_reason":"stop","token_ids":\#(ids)}],"#
            + #""usage":{"completion_tokens":1}}"#
        var prepared = try prepare(#"{"model":"m"}"#, profile: .vllm)
        _ = prepared.reply.read(body: Array(body.utf8).span)
        #expect(prepared.reply.captured().problems == expected)
    }
}
