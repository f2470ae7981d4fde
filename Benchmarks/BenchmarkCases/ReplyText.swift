/// Chat completions of vLLM's shape.
struct ReplyText {
    /// The engine's reply to the edited request: with ids, and log-probabilities with five alternatives for each token.
    static let full = ReplyText(isFull: true)
    /// The reply that an agent must receive if it requested no token data.
    static let plain = ReplyText(isFull: false)

    private let isFull: Bool

    private static let entry =
        #"{"token":" t#####","logprob":-0.28324317932#####,"bytes":[32,116,48,48,48,49,55],"top_logprobs":["#
        + #"{"token":" t#####","logprob":-0.28324317932#####,"bytes":[32,116,48,48,48,49,55]},"#
        + #"{"token":" !=","logprob":-6.093789577484131,"bytes":[32,33,61]},"#
        + #"{"token":" socket","logprob":-6.10087194442749,"bytes":[32,115,111,99,107,101,116]},"#
        + #"{"token":"ffset_of_row\n","logprob":-6.140664577484131,"#
        + #""bytes":[102,102,115,101,116,95,111,102,95,114,111,119,10]},"#
        + #"{"token":" naïve","logprob":-6.95868444442749,"bytes":[32,110,97,195,175,118,101]}]}"#

    private let fingerprint = #""system_fingerprint":"vllm-0.32.0-6ab2b866""#
    private var promptIDs: String { isFull ? "[2021,1626,198,50,804,629,75,354,301,266,283,1570,309,2000]" : "null" }

    private init(isFull: Bool) { self.isFull = isFull }

    private func usage(tokens: Int) -> String {
        #""usage":{"prompt_tokens":14,"total_tokens":\#(14 + tokens),"completion_tokens":\#(tokens)}"#
    }

    // MARK: Streams

    private func event(_ choices: String, _ more: String = "") -> Template {
        Template(
            #"data: {"id":"chatcmpl-be2659e098f12ecb","object":"chat.completion.chunk","created":1795334129,"#
                + #""model":"tiny/tiny-1","choices":[\#(choices)]\#(more)}"# + "\n\n")
    }

    private func token(_ more: String) -> Template {
        let logprobs = isFull ? #"{"content":[\#(Self.entry)]}"# : "null"
        let ids = isFull ? "[1#####]" : "null"
        return event(
            #"{"index":0,"delta":{"content":" t#####"},"logprobs":\#(logprobs),\#(more),"token_ids":\#(ids)}"#)
    }

    var roleEvent: Template {
        event(
            #"{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}"#,
            #","prompt_token_ids":\#(promptIDs),"prompt_text":null"#)
    }

    var tokenEvent: Template { token(#""finish_reason":null"#) }

    private var lastTokenEvent: Template { token(#""finish_reason":"length","stop_reason":null"#) }

    /// The number of events of a stream that carry no token.
    static let otherEvents = 3

    /// Makes a stream with one event for each token.
    func stream(tokens: Int) -> [UInt8] {
        var text: [UInt8] = []
        let (event, lastEvent) = (tokenEvent, lastTokenEvent)
        text.reserveCapacity((tokens + Self.otherEvents) * lastEvent.length)
        roleEvent.append(0, to: &text)
        for number in 1..<tokens { event.append(number, to: &text) }
        lastEvent.append(tokens, to: &text)
        self.event("", ",\(usage(tokens: tokens)),\(fingerprint)").append(0, to: &text)
        text.append(contentsOf: "data: [DONE]\n\n".utf8)
        return text
    }

    // MARK: Whole replies

    func whole(tokens: Int) -> [UInt8] {
        var text: [UInt8] = []
        func append(_ part: String) { text.append(contentsOf: part.utf8) }
        func list(_ template: Template, separator: String) {
            for number in 1...tokens {
                if number > 1 { append(separator) }
                template.append(number, to: &text)
            }
        }
        text.reserveCapacity(tokens * (Self.entry.utf8.count + 32))
        append(
            #"{"id":"chatcmpl-8b5f92fed5181978","object":"chat.completion","created":1795334114,"#
                + #""model":"tiny/tiny-1","choices":[{"index":0,"message":{"role":"assistant","content":""#)
        list(Template(" t#####"), separator: "")
        append(
            #"","refusal":null,"annotations":null,"audio":null,"function_call":null,"reasoning":null},"logprobs":"#)
        if isFull {
            append(#"{"content":["#)
            list(Template(Self.entry), separator: ",")
            append("]}")
        } else {
            append("null")
        }
        append(#","finish_reason":"length","stop_reason":null,"token_ids":"#)
        if isFull {
            append("[")
            list(Template("1#####"), separator: ",")
            append("]")
        } else {
            append("null")
        }
        append(
            #","routed_experts":null}],"service_tier":null,\#(fingerprint),\#(usage(tokens: tokens)),"#
                + #""prompt_logprobs":null,"prompt_token_ids":\#(promptIDs),"prompt_text":null,"metrics":null}"#)
        return text
    }
}
