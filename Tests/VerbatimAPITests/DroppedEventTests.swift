import TestSupport
import VerbatimSchema
import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimTesting

/// Events that exist only because of the injection are dropped.
@Suite struct DroppedEventTests {
    static let entry = #"{"content":[{"token":"a","logprob":-1,"bytes":[97],"top_logprobs":[]}]}"#

    private func seen(_ event: String, _ reply: any ReplyTransform) -> SeenEvent? {
        StreamDriver.run(reply, events: [event]).events.first
    }

    @Test(arguments: [
        #"{"choices":[{"index":0,"delta":{},"logprobs":\#(entry),"finish_reason":null,"token_ids":[1]}]}"#,
        #"{"choices":[{"index":0,"delta":{},"logprobs":\#(entry),"finish_reason":null}]}"#,
        #"{"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":null,"token_ids":[1]}]}"#,
        #"{"choices":[{"token_ids":[1],"delta":{ },"index":0}]}"#,
        // With continuous usage, vLLM sends such an event only if token data were requested.
        #"{"choices":[{"index":0,"delta":{},"token_ids":[1]}],"usage":{"completion_tokens":1}}"#,
        #"{"choices":[{"index":0,"delta":{},"token_ids":[1]},{"index":1,"delta":{},"token_ids":[1]}]}"#,
        #"{"choices":[{"index":0,"delta":{},"token_ids":[1]}],"error":null}"#,
    ])
    func eventsCausedByTheInjectionAreDropped(event: String) throws {
        let driver = StreamDriver.run(try injectedReply(), events: [event])
        #expect(driver.events.first?.isDropped == true)
        #expect(driver.outputText == "data: [DONE]\n\n")
        let capture = driver.reply.captured()
        #expect(capture.choices.allSatisfy { max($0.tokens.count, $0.tokenIDs.count) == 1 })
        #expect(driver.reply.hasOutput)
        // Nothing was injected: the engine sends such an event anyway.
        #expect(seen(event, try untouchedReply())?.isUntouched == true)
    }

    @Test(arguments: [
        // Empty events that the engine sends anyway.
        #"{"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":null}]}"#,
        #"{"choices":[{"index":0,"delta":{}}]}"#, #"{"choices":[{"index":0,"delta":{},"token_ids":null}]}"#,
        #"{"choices":[]}"#, #"{"choices":[],"usage":{"completion_tokens":1}}"#, #"{}"#,
        // Events with other members.
        #"{"choices":[{"index":0,"delta":{},"token_ids":[1],"finish_reason":"stop"}]}"#,
        #"{"choices":[{"index":0,"delta":{"role":"assistant"},"token_ids":[1]}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":""},"token_ids":[1]}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":null},"token_ids":[1]}]}"#,
        #"{"choices":[{"index":0,"delta":{"tool_calls":[]},"token_ids":[1]}]}"#,
        #"{"choices":[{"index":0,"token_ids":[1]}]}"#, #"{"choices":[{"index":0,"delta":null,"token_ids":[1]}]}"#,
        #"{"choices":[{"index":0,"delta":[],"token_ids":[1]}]}"#,
        #"{"choices":[{"index":0,"delta":{},"token_ids":[1]}],"error":{"message":"x"}}"#,
        #"{"choices":[{"index":0,"delta":{},"token_ids":[1]},{"index":1,"delta":{"content":"b"},"token_ids":[1]}]}"#,
        #"{"choices":[{"index":0,"delta":{},"token_ids":[1]},null]}"#,
        #"{"choices":[{"index":0,"delta":{},"token_ids":[1]}],"prompt_token_ids":[4]"#,
    ])
    func otherEventsAreForwarded(event: String) throws {
        let driver = StreamDriver.run(try injectedReply(), events: [event])
        #expect(driver.events.first?.isDropped == false)
        // Its token data are restored.
        let isWhole = event.hasSuffix("}")
        let expected =
            isWhole ? event.replacing(/"(token_ids|prompt_token_ids)":\[[0-9]\]/) { "\"\($0.1)\":null" } : event
        #expect(driver.outputText == "data: \(expected)\n\ndata: [DONE]\n\n")
    }

    /// A `\n` that arrives separately belongs to the event before it.
    @Test func lineFeedAfterADroppedEventIsDropped() throws {
        let dropped = #"data: {"choices":[{"index":0,"delta":{},"token_ids":[1]}]}"#
        let stream = Array("\(dropped)\r\n\r\n: kept\r\n\r\ndata: [DONE]\r\n\r\n".utf8)
        for cuts in [[], Array(1..<stream.count)] {
            let driver = StreamDriver.run(try injectedReply(), stream, cuts: cuts)
            #expect(driver.outputText == ": kept\r\n\r\ndata: [DONE]\r\n\r\n")
        }
    }
}
