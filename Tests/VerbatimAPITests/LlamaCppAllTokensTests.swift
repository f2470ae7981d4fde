import TestSupport
import VerbatimSchema
import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimTesting

/// Bodies of llama.cpp have entries for complete characters only, and all ids in `__verbose.tokens`.
@Suite struct LlamaCppAllTokensTests {
    private static func body(entries ids: [Int], verbose: String, usage: Int) -> String {
        let entries = ids.map { #"{"id":\#($0),"token":"t\#($0)","bytes":[1],"logprob":-0.\#($0),"top_logprobs":[]}"# }
        return
            #"{"choices":[{"finish_reason":"stop","index":0,"message":{"content":"t"},"logprobs":{"content":[\#(entries.joined(separator: ","))]}}],"#
            + #""usage":{"completion_tokens":\#(usage)}\#(verbose),"timings":{"predicted_n":\#(usage)}}"#
    }

    private static func verbose(_ tokens: [Int]) -> String {
        #","__verbose":{"index":0,"content":"x","tokens":\#(tokens),"prompt":"a long one"}"#
    }

    private func read(_ entries: [Int], _ tokens: [Int]) throws -> (output: String, capture: Capture) {
        let body = Self.body(entries: entries, verbose: Self.verbose(tokens), usage: tokens.count)
        let read = readWhole(try prepare("{}", profile: .llamaCpp).reply, Array(body.utf8))
        return (String(decoding: read.output, as: UTF8.self), read.reply.captured())
    }

    /// The token in the middle is a part of a character.
    @Test func missingEntriesHaveIDs() throws {
        let (output, capture) = try read([69, 102, 220], [69, 127, 102, 220])
        #expect(!output.contains("__verbose") && !output.contains("logprobs") && output.contains(#""timings":{"#))
        let choice = try #require(capture.choices.first)
        #expect(choice.idsText == "69,127,102,220")
        #expect(choice.valuesText == "-0.69,null,-0.102,-0.220")
        #expect(choice.tokensText == "\"t69\",\"\u{FFFD}\",\"t102\",\"t220\"")
        #expect(capture.level == .tokens && capture.problems == ["logprob_missing"])
        // The record omits what repeats the prompt.
        #expect(!capture.responseText.contains("a long one") && capture.responseText.contains(#""logprobs":null"#))
        let entries = String(decoding: choice.logprobs?.array ?? [], as: UTF8.self)
        #expect(entries.contains(#""id":69"#))
    }

    @Test func completeEntriesMakeACompleteCapture() throws {
        let (_, capture) = try read([1, 2, 3], [1, 2, 3])
        #expect(capture.level == .tokens && capture.isComplete)
    }

    /// An entry that could belong to two tokens is assigned to neither.
    @Test func ambiguousEntriesAreNotAssigned() throws {
        let (_, capture) = try read([5, 7, 9], [5, 7, 7, 9])
        #expect(capture.choices.first?.valuesText == "-0.5,null,null,-0.9")
        #expect(capture.choices.first?.idsText == "5,7,7,9" && !capture.isComplete)
    }

    /// Entries with unknown ids are not assigned.
    @Test func unrelatedIDsAreKeptAlone() throws {
        let (_, capture) = try read([1, 8], [1, 2, 3])
        #expect(capture.level == .ids && capture.problems == ["ids_logprobs_mismatch"])
        #expect(capture.choices.first?.idsText == "1,2,3")
    }

    /// The list belongs to one choice; which one is unknown if there are several.
    @Test func idsOfAnUnknownChoiceAreIgnored() throws {
        let choice =
            #"{"index":%,"message":{"content":"a"},"logprobs":{"content":[{"id":4,"token":"a","logprob":-1}]},"finish_reason":"length"}"#
        let choices = (0...1).map { choice.replacing("%", with: "\($0)") }.joined(separator: ",")
        let body = #"{"choices":[\#(choices)],"usage":{"completion_tokens":1}\#(Self.verbose([4]))}"#
        let read = readWhole(try prepare(#"{"n":2}"#, profile: .llamaCpp).reply, Array(body.utf8))
        #expect(!String(decoding: read.output, as: UTF8.self).contains("__verbose"))
        let capture = read.reply.captured()
        #expect(capture.choices.map(\.idsText) == ["4", "4"] && capture.isComplete)
    }

    /// An agent that asked for it receives it.
    @Test func requestedVerboseOutputIsKept() throws {
        let body = Self.body(entries: [1], verbose: Self.verbose([1]), usage: 1)
        let reply = try prepare(#"{"verbose":true}"#, profile: .llamaCpp).reply
        let read = readWhole(reply, Array(body.utf8))
        #expect(String(decoding: read.output, as: UTF8.self).contains(Self.verbose([1])))
        #expect(read.reply.captured().responseText.contains("a long one"))
    }
}
