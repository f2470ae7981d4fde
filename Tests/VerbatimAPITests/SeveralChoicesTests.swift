import TestSupport
import VerbatimSchema
import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimTesting

/// llama.cpp's `usage` counts the tokens of only one choice, even if there are several.
@Suite struct SeveralChoicesTests {
    private static func event(_ index: Int, _ tokens: Int, _ rest: String = "") -> String {
        let entries = (0..<tokens).map { #"{"id":\#($0),"token":"ab","logprob":-1.\#($0)}"# }.joined(separator: ",")
        return
            #"{"choices":[{"index":\#(index),"delta":{"content":"ab"},"logprobs":{"content":[\#(entries)]},"finish_reason":null}]\#(rest)}"#
    }

    private static func end(_ index: Int, _ reason: String, counted: Int) -> String {
        #"{"choices":[{"index":\#(index),"delta":{},"finish_reason":"\#(reason)"}],"timings":{"predicted_n":\#(counted)}}"#
    }

    private static let usage = #"{"choices":[],"usage":{"completion_tokens":2},"timings":{"predicted_n":2}}"#

    private func problems(_ events: [String]) throws -> [ProblemCode] {
        try Exchange(profile: .llamaCpp, fields: #""n":2"#).stream(events).reply.captured().problems
    }

    /// The last event of each choice states its number of tokens.
    @Test func streamedChoicesAreCountedEach() throws {
        let whole = [Self.event(0, 2), Self.event(1, 1), Self.event(1, 2)]
        let good = whole + [Self.end(1, "length", counted: 3), Self.end(0, "length", counted: 2), Self.usage]
        #expect(try problems(good) == [])
        let hole = whole + [Self.end(1, "length", counted: 4), Self.end(0, "length", counted: 2), Self.usage]
        #expect(try problems(hole) == ["token_count_mismatch"])
        let ended = whole + [Self.end(1, "stop", counted: 4), Self.end(0, "stop", counted: 3), Self.usage]
        #expect(try problems(ended) == ["end_token_missing"])
    }

    private func whole(_ tokens: [(Int, String)], text: String = "ab", fields: String = "") throws -> [ProblemCode] {
        let choices = tokens.enumerated().map { index, choice in
            let entries = (0..<choice.0).map { #"{"id":\#($0),"token":"\#(text)","logprob":-1.\#($0)}"# }
            return
                #"{"index":\#(index),"message":{"content":"\#(text)"},"logprobs":{"content":[\#(entries.joined(separator: ","))]},"finish_reason":"\#(choice.1)"}"#
        }
        let body = #"{"choices":[\#(choices.joined(separator: ","))],"usage":{"completion_tokens":3}}"#
        let reply = try prepare(#"{"model":"m","n":2\#(fields)}"#, profile: .llamaCpp).reply
        return readWhole(reply, Array(body.utf8)).reply.captured().problems
    }

    /// In a body, the counts are known if all choices were cut off at the limit, or if nothing can be missing: the
    /// engine omits tokens that are a part of a character, and those of a stop string.
    @Test func bodiesAreCaptured() throws {
        #expect(try whole([(3, "length"), (3, "length")]) == [])
        #expect(try whole([(3, "length"), (2, "length")]) == ["token_count_mismatch"])
        let ended = [(3, "stop"), (2, "length")]
        #expect(try whole(ended) == [])
        #expect(try whole(ended, text: "é") == ["token_count_unknown"])
        #expect(try whole(ended, text: #"\u00e9"#) == ["token_count_unknown"])
        #expect(try whole(ended, fields: #","stop":["x"]"#) == ["token_count_unknown"])
    }

    /// A choice for which nothing was generated does not lower the level of the others.
    @Test func emptyChoiceDoesNotLowerTheLevel() throws {
        let logprobs = #"{"tokens":["a"],"token_logprobs":[-0.5],"text_offset":[0],"top_logprobs":[{}]}"#
        let empty = #"{"tokens":[],"token_logprobs":[],"text_offset":[],"top_logprobs":[]}"#
        let body =
            #"{"choices":[{"index":0,"text":"a","logprobs":\#(logprobs),"token_ids":[7],"finish_reason":"length"},"#
            + #"{"index":1,"text":"","logprobs":\#(empty),"token_ids":[],"finish_reason":"stop"}],"usage":{"completion_tokens":1}}"#
        let request = try APIRegistry.request(to: .completions, body: Array(#"{"prompt":["x","y"]}"#.utf8))
        let prepared = request.prepared(policy: RequestPolicy(), profile: .vllm, injectionLimits: InjectionLimits())
        let capture = readWhole(prepared.reply, Array(body.utf8)).reply.captured()
        #expect(capture.level == .tokens && capture.problems == [])
    }
}
