import TestSupport
import VerbatimTesting

/// Small requests and replies of chat completions.
enum Chat {
    static let path = "/v1/chat/completions"
    static let unary = #"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#
    static let stream = #"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}"#

    /// Marks a request that scripts answer in full, whatever they do with others.
    static let warmUpHeader = ("X-Warm-Up", "1")

    /// The reply of the scripted model: `Hello there!` in four tokens and an end-of-turn token.
    static let reply = ScriptedReply(
        .content([
            ScriptedToken(9906, "Hel", "-0.125"), ScriptedToken(385, "lo", "-0.25"),
            ScriptedToken(1070, " there", "-1.5"), ScriptedToken(0, "!", "-2.0"),
        ]), stopToken: ScriptedToken(2, "</s>", "-0.0625"))

    static let engine = ScriptedChat(.vllm, .always([reply]))

    /// Wraps a script so that requests with ``warmUpHeader`` get a whole reply.
    static func warmable(_ script: @escaping MockEngine.Script) -> MockEngine.Script {
        { exchange in
            if exchange.request.header(warmUpHeader.0) != nil {
                try await engine.serve(exchange)
            } else {
                try await script(exchange)
            }
        }
    }

    /// A streamed chunk as vLLM writes it, with one token.
    static func event(_ number: Int) -> String {
        #"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"#
            + #""delta":{"content":"t\#(number) "},"logprobs":{"content":[{"token":"t\#(number) ","logprob":-\#(number).5,"#
            + #""bytes":null,"top_logprobs":[]}]},"finish_reason":null,"token_ids":[\#(number)]}]}"#
    }

    /// The last chunk of a choice.
    static let finish =
        #"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"#
        + #""logprobs":null,"finish_reason":"stop","token_ids":null}]}"#

    /// A whole reply with `content` and without token data.
    static func body(content: String = "hello") -> String {
        #"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"#
            + #""message":{"role":"assistant","content":"\#(content)"},"logprobs":null,"finish_reason":"stop"}]}"#
    }
}
