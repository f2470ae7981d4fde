import Foundation
import VerbatimJSON
import TestSupport
import Testing
import VerbatimAPI
import VerbatimTesting
import VerbatimSchema

/// The capture of recorded replies of real engines, compared with an independent reader.
@Suite struct RecordedCaptureTests {
    @Test(arguments: WireSample.choiceReplies)
    func tokens(sample: WireSample) throws {
        let naive = try NaiveCapture(sample)
        let capture = captured(sample, try sample.injectedReply())
        #expect(capture.choices.map(\.index) == naive.choices.keys.sorted())
        for choice in capture.choices {
            let expected = try #require(naive.choices[choice.index])
            #expect(try JSONTree(parsing: choice.tokens.array) == JSONTree(expected.tokens))
            #expect(choice.valuesText == expected.logprobTexts.joined(separator: ","))
            #expect(choice.idsText == expected.tokenIDs.map(String.init).joined(separator: ","))
            #expect(choice.promptTokenIDs.text == expected.promptTokenIDs.map(text))
            let content = try choice.logprobs.map { try JSONTree(parsing: $0.array) }
            #expect(content == expected.content.map(JSONTree.init))
            let finishReason = try choice.finishReason.map { try decoded($0) } as? String
            #expect(finishReason == expected.fields["finish_reason"] as? String)
            #expect(choice.isAligned)
        }
    }

    @Test(arguments: WireSample.choiceReplies)
    func envelope(sample: WireSample) throws {
        let naive = try NaiveCapture(sample)
        let capture = captured(sample, try sample.injectedReply())
        #expect(try capture.model.map { try decoded($0) } as? String == naive.envelope["model"] as? String)
        #expect(try capture.responseID.map { try decoded($0) } as? String == naive.envelope["id"] as? String)
        #expect(try capture.usage.map { try decoded($0) } as? NSDictionary == naive.usage.map { $0 as NSDictionary })
        let first = naive.choices.min { $0.key < $1.key }
        let promptIDs = naive.envelope["prompt_token_ids"] as? [Int] ?? first?.value.promptTokenIDs
        #expect(capture.promptTokenIDs.text == promptIDs.map(text))
        if let usage = capture.usage.text { #expect(sample.bodyText.contains(#""usage":\#(usage)"#)) }
    }

    @Test(arguments: WireSample.wholeChoices)
    func bodiesAreRecordedAsSent(sample: WireSample) throws {
        #expect(captured(sample, try sample.injectedReply()).response.bytes == sample.response.body)
        #expect(captured(sample, try sample.untouchedReply()).response.bytes == sample.response.body)
    }

    @Test(arguments: WireSample.choiceStreams)
    func streamsAreAssembled(sample: WireSample) throws {
        let naive = try NaiveCapture(sample)
        let capture = captured(sample, try sample.injectedReply())
        #expect(try JSONTree(parsing: capture.response.bytes) == JSONTree(naive.response()))
        #expect(!capture.responseText.contains("\n"))
    }

    @Test(arguments: WireSample.choiceReplies)
    func compactDetailOmitsEntries(sample: WireSample) throws {
        let full = captured(sample, try sample.injectedReply())
        let compact = captured(sample, try sample.injectedReply(detail: .compact))
        for (one, other) in zip(full.choices, compact.choices) {
            #expect(one.tokens == other.tokens && one.tokenIDs == other.tokenIDs)
            #expect(one.logprobValues == other.logprobValues)
        }
        #expect(!compact.responseText.contains(#""logprobs""#))
        var expected = try #require(decoded(full.response.bytes) as? [String: Any])
        var choices = try #require(expected["choices"] as? [[String: Any]])
        for index in choices.indices { choices[index]["logprobs"] = nil }
        expected["choices"] = choices
        #expect(try JSONTree(parsing: compact.response.bytes) == JSONTree(expected))
        // The agent receives the same.
        #expect(
            restored(sample, try sample.injectedReply(detail: .compact)) == restored(sample, try sample.injectedReply())
        )
    }

    @Test(arguments: WireSample.choiceReplies)
    func levelAndChecks(sample: WireSample) throws {
        let naive = try NaiveCapture(sample)
        let capture = captured(sample, try sample.injectedReply())
        let hasIDs = naive.choices.values.allSatisfy { !$0.tokenIDs.isEmpty }
        let hasLogprobs = naive.choices.values.allSatisfy { !$0.logprobTexts.isEmpty }
        let expected: CaptureLevel =
            hasIDs ? (hasLogprobs ? .tokens : .ids) : hasLogprobs ? .logprobs : .text
        #expect(capture.level == expected)
        var problems: [ProblemCode] = []
        if expected == .text { problems.append("no_token_data") }
        let timings = naive.envelope["timings"] as? [String: Any]
        // llama.cpp counts the tokens of one of several choices. All recorded choices ended at the limit.
        let isCounted = sample.isVLLM || naive.choices.count == 1
        if !isCounted && expected != .text {
            let request = try #require(try decoded(sample.request.body) as? [String: Any])
            let limit = try #require(request["max_tokens"] as? Int)
            if naive.choices.values.contains(where: { $0.tokens.count != limit }) {
                problems.append("token_count_mismatch")
            }
        }
        if let count = (naive.usage?["completion_tokens"] ?? timings?["predicted_n"]) as? Int, isCounted,
            expected != .text
        {
            let found = naive.choices.values.reduce(0) { $0 + max($1.tokens.count, $1.tokenIDs.count) }
            // Streams of llama.cpp lack the token that ends the turn.
            let reasons = naive.choices.values.map { $0.fields["finish_reason"] as? String }
            let endsByItself = reasons.allSatisfy { $0 == "stop" || $0 == "tool_calls" }
            let request = try #require(try decoded(sample.request.body) as? [String: Any])
            let isStopped = request["stop"] != nil
            if sample.response.isEventStream && !sample.isVLLM && endsByItself && !isStopped && found + 1 == count {
                problems.append("end_token_missing")
            } else if found != count {
                problems.append("token_count_mismatch")
            }
        }
        #expect(capture.problems == problems)
        #expect(capture.isComplete == problems.isEmpty)
    }

    private func text(_ ids: [Int]) -> String { "[\(ids.map(String.init).joined(separator: ","))]" }

    /// Replies of vLLM are captured completely, whatever was requested.
    @Test(arguments: WireSample.choiceReplies.filter { $0.isVLLM && $0.asksLogprobs && $0.asksTokenIDs })
    func vLLMRepliesAreCapturedCompletely(sample: WireSample) throws {
        let capture = captured(sample, try sample.injectedReply())
        #expect(capture.level == .tokens && capture.isComplete)
        #expect(capture.promptTokenIDs != nil)
    }

    /// Token data that the agent asked for are captured as well.
    @Test(arguments: WireSample.choiceReplies)
    func requestedTokenDataAreCaptured(sample: WireSample) throws {
        let own = captured(sample, try sample.ownReply())
        let injected = captured(sample, try sample.injectedReply())
        #expect(own.response == injected.response && own.level == injected.level)
        #expect(own.choices.map(\.tokenIDs) == injected.choices.map(\.tokenIDs))
        #expect(own.choices.map(\.logprobValues) == injected.choices.map(\.logprobValues))
    }
}
