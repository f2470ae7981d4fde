/// Chat completions of vLLM's shape, with ids and five alternatives per token: what it sends when everything is asked for.
enum ReplyText {
    private static let entry =
        #"{"token":" t#####","logprob":-0.28324317932#####,"bytes":[32,116,48,48,48,49,55],"top_logprobs":["#
        + #"{"token":" t#####","logprob":-0.28324317932#####,"bytes":[32,116,48,48,48,49,55]},"#
        + #"{"token":" !=","logprob":-6.093789577484131,"bytes":[32,33,61]},"#
        + #"{"token":" socket","logprob":-6.10087194442749,"bytes":[32,115,111,99,107,101,116]},"#
        + #"{"token":"ffset_of_row\n","logprob":-6.140664577484131,"#
        + #""bytes":[102,102,115,101,116,95,111,102,95,114,111,119,10]},"#
        + #"{"token":" naïve","logprob":-6.95868444442749,"bytes":[32,110,97,195,175,118,101]}]}"#

    private static let fingerprint = #""system_fingerprint":"vllm-0.32.0-6ab2b866""#
    private static let promptIDs = "[2021,1626,198,50,804,629,75,354,301,266,283,1570,309,2000]"

    private static func usage(tokens: Int) -> String {
        #""usage":{"prompt_tokens":14,"total_tokens":\#(14 + tokens),"completion_tokens":\#(tokens)}"#
    }

    // MARK: Streams

    private static func event(_ choices: String, _ more: String = "") -> Template {
        Template(
            #"data: {"id":"chatcmpl-be2659e098f12ecb","object":"chat.completion.chunk","created":1795334129,"#
                + #""model":"tiny/tiny-1","choices":[\#(choices)]\#(more)}"# + "\n\n")
    }

    private static func token(more: String) -> Template {
        event(
            #"{"index":0,"delta":{"content":" t#####"},"logprobs":{"content":[\#(entry)]},\#(more),"token_ids":[1#####]}"#
        )
    }

    static let roleEvent = event(
        #"{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}"#,
        #","prompt_token_ids":\#(promptIDs),"prompt_text":null"#)
    static let tokenEvent = token(more: #""finish_reason":null"#)
    private static let lastTokenEvent = token(more: #""finish_reason":"length","stop_reason":null"#)

    /// How many events a stream has besides those of its tokens.
    static let otherEvents = 3

    /// A stream of so many tokens, each in an event of its own.
    static func stream(tokens: Int) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity((tokens + otherEvents) * (lastTokenEvent.length))
        roleEvent.append(0, to: &text)
        for number in 1..<tokens { tokenEvent.append(number, to: &text) }
        lastTokenEvent.append(tokens, to: &text)
        event("", ",\(usage(tokens: tokens)),\(fingerprint)").append(0, to: &text)
        text.append(contentsOf: "data: [DONE]\n\n".utf8)
        return text
    }

    // MARK: Whole replies

    static func whole(tokens: Int) -> [UInt8] {
        var text: [UInt8] = []
        func list(_ template: Template, separator: String) {
            for number in 1...tokens {
                if number > 1 { text.append(contentsOf: separator.utf8) }
                template.append(number, to: &text)
            }
        }
        text.reserveCapacity(tokens * (entry.utf8.count + 32))
        text.append(
            contentsOf: (#"{"id":"chatcmpl-8b5f92fed5181978","object":"chat.completion","created":1795334114,"#
                + #""model":"tiny/tiny-1","choices":[{"index":0,"message":{"role":"assistant","content":""#).utf8)
        list(Template(" t#####"), separator: "")
        text.append(
            contentsOf: (#"","refusal":null,"annotations":null,"audio":null,"function_call":null,"reasoning":null},"#
                + #""logprobs":{"content":["#).utf8)
        list(Template(entry), separator: ",")
        text.append(contentsOf: #"]},"finish_reason":"length","stop_reason":null,"token_ids":["#.utf8)
        list(Template("1#####"), separator: ",")
        text.append(
            contentsOf: (#"],"routed_experts":null}],"service_tier":null,\#(fingerprint),\#(usage(tokens: tokens)),"#
                + #""prompt_logprobs":null,"prompt_token_ids":\#(promptIDs),"prompt_text":null,"metrics":null}"#).utf8)
        return text
    }
}
