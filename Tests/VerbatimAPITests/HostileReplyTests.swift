import TestSupport
import VerbatimSchema
import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimTesting

/// Malicious replies pass and do no harm.
@Suite struct HostileReplyTests {
    private func chunk(_ delta: String) -> String { #"{"choices":[{"index":0,"delta":\#(delta)}]}"# }

    /// An index without a successor is ignored.
    @Test func hugeToolCallIndicesDoNotOverflow() throws {
        let driver = StreamDriver.run(
            try untouchedReply(),
            events: [
                chunk(#"{"tool_calls":[{"index":9223372036854775807,"id":"a","function":{"name":"f"}}]}"#),
                chunk(#"{"tool_calls":[{"id":"b","function":{"name":"g"}}]}"#),
                chunk(#"{"tool_calls":[{"index":-1,"id":"c","function":{"name":"h"}}]}"#),
            ])
        let response = driver.reply.captured().responseText
        for id in ["a", "b", "c"] { #expect(response.contains(#""id":"\#(id)""#)) }
    }

    @Test func fieldsBeyondTheLimitAreForwardedOnly() throws {
        let fields = (0..<5000).map { #""k\#($0)":1"# }.joined(separator: ",")
        let event = #"{"choices":[],\#(fields)}"#
        let driver = StreamDriver.run(try untouchedReply(), events: [event])
        #expect(driver.outputText.contains(#""k4999":1"#))
        let response = driver.reply.captured().responseText
        #expect(response.contains(#""k1000":1"#) && !response.contains(#""k4999":1"#))
    }

    @Test func choicesBeyondTheLimitAreForwardedOnly() throws {
        let choices = (0..<5000).map { #"{"index":\#($0),"delta":{"content":"a"}}"# }.joined(separator: ",")
        let driver = StreamDriver.run(try untouchedReply(), events: [#"{"choices":[\#(choices)]}"#])
        #expect(driver.outputText.contains(#""index":4999"#))
        let capture = driver.reply.captured()
        #expect(capture.choices.count == 4096 && capture.problems.contains("choices_missing"))
    }

    @Test(arguments: ["7", "[]", "{}", "true", "null", #""""#, #""x""#])
    func fingerprintsOfAnyTypeAreHarmless(fingerprint: String) throws {
        let event = #"{"choices":[],"system_fingerprint":\#(fingerprint)}"#
        #expect(StreamDriver.run(try untouchedReply(), events: [event]).reply.captured().engine == nil)
    }
}
