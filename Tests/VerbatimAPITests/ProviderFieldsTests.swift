import TestSupport
import Testing
import VerbatimAPI
import VerbatimJSON

/// LiteLLM moves the fields of a choice that it does not know into an object of their own.
@Suite struct ProviderFieldsTests {
    private func event(_ fields: String, ids: Bool = false) -> String {
        let logprobs = #"{"content":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[]}]}"#
        return
            #"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"a"},"#
            + #""finish_reason":"stop","logprobs":\#(ids ? logprobs : "null")\#(fields)}]}"#
    }

    @Test(arguments: [
        (#"{"token_ids":[5]}"#, "null"), (#"{"stop_reason":null,"token_ids":[5]}"#, #"{"stop_reason":null}"#),
        (#"{"token_ids":[5],"stop_reason":null}"#, #"{"stop_reason":null}"#), ("null", "null"), ("{}", "{}"),
        (#"{"token_ids":null}"#, "null"),
    ])
    func injectedIDsAreTakenOut(fields: String, expected: String) throws {
        for isStream in [true, false] {
            var exchange = try prepare(#"{"model":"m","stream":\#(isStream)}"#, profile: .vllm)
            var sent = event(#","provider_specific_fields":\#(fields)"#, ids: true)
            var restored = event(#","provider_specific_fields":\#(expected)"#)
            if !isStream {
                sent = sent.replacing(#""delta""#, with: #""message""#)
                restored = restored.replacing(#""delta""#, with: #""message""#)
            }
            let text = isStream ? "data: \(sent)\n\n" : sent
            let bytes = Array(text.utf8)
            if isStream {
                _ = exchange.reply.read(event: bytes.span)
            } else {
                _ = exchange.reply.read(body: bytes.span)
            }
            var edits = exchange.reply.edits
            let restoredText = String(decoding: edits.applied(to: bytes.span), as: UTF8.self)
            #expect(restoredText == (isStream ? "data: \(restored)\n\n" : restored))
            let choice = try #require(exchange.reply.captured().choices.first)
            #expect(choice.idsText == (fields.contains("[5]") ? "5" : ""))
        }
    }
}
