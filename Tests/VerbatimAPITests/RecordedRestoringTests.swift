import VerbatimSchema
import Foundation
import TestSupport
import Testing
import VerbatimAPI
import VerbatimTesting

/// Recorded replies of real engines: what the agent receives.
@Suite struct RecordedRestoringTests {
    /// A recording with token data, and one of the same request without them.
    struct Pair: Sendable, CustomStringConvertible {
        let plain: WireSample
        let captured: WireSample

        var description: String { "\(captured)" }
    }

    static let pairs: [Pair] = {
        var pairs: [Pair] = []
        for set in ["vllm", "vllm-reasoning", "llamacpp", "llamacpp-tools"] {
            var names: [(String, String)] = [
                ("chat_stream_include_usage", "chat_stream_include_usage_logprobs_tokenids"),
                ("extra_toolcall_reasoning_stream-false", "extra_toolcall_reasoning_stream-false_lp_ids"),
            ]
            for kind in ["logprobs", "logprobs_top0", "tokenids", "logprobs_tokenids", "plain"] {
                names.append(("chat_stream_plain", "chat_stream_\(kind)"))
                names.append(("chat_unary_plain", "chat_unary_\(kind)"))
                names.append(("completions_stream_plain", "completions_stream_\(kind)"))
                names.append(("completions_unary_plain", "completions_unary_\(kind)"))
            }
            for (plain, captured) in names {
                guard let plain = WireSample.named(plain, in: set), let captured = WireSample.named(captured, in: set)
                else { continue }
                pairs.append(Pair(plain: plain, captured: captured))
            }
        }
        return pairs
    }()

    @Test func pairsExist() { #expect(Self.pairs.count == 61) }

    @Test(arguments: pairs)
    func restoredRecordingEqualsThePlainOne(pair: Pair) throws {
        // Under load two tokens came in one event: the same text with another cut.
        if "\(pair.captured)" == "vllm-reasoning/chat_stream_tokenids" { return }
        let expected = WireSample.comparable(pair.plain.bodyText)
        #expect(WireSample.comparable(restored(pair.captured, try pair.captured.injectedReply())) == expected)
        #expect(WireSample.comparable(restored(pair.captured, try pair.captured.injectedReply(.generic))) == expected)
    }

    /// Every byte passes if nothing was injected, or if the agent asked for the same.
    @Test(arguments: WireSample.replies)
    func requestedTokenDataAreKept(sample: WireSample) throws {
        #expect(restored(sample, try sample.untouchedReply()) == sample.bodyText)
        #expect(restored(sample, try sample.ownReply()) == sample.bodyText)
    }

    /// Replies of an unknown engine are restored in the same way.
    @Test(arguments: WireSample.choiceReplies)
    func unknownEngineIsRestoredInTheSameWay(sample: WireSample) throws {
        let specific = restored(sample, try sample.injectedReply())
        #expect(restored(sample, try sample.injectedReply(.generic)) == specific)
    }

    /// In each event, injected values are off, and nothing else has changed its value, its place or its text.
    @Test(arguments: WireSample.choiceStreams)
    func onlyInjectedValuesChange(sample: WireSample) throws {
        let driver = StreamDriver.run(try sample.injectedReply(), sample.response.body)
        let sent = Self.events(sample.bodyText)
        var received = Self.events(driver.outputText)[...]
        #expect(sent.count == driver.events.count)
        for (event, seen) in zip(sent, driver.events) {
            guard let expected = try expected(event, of: sample) else {
                #expect(seen.isDropped, "\(event)")
                continue
            }
            let next = received.popFirst()
            let got = try #require(next)
            #expect(seen.isTerminal == (event == "data: [DONE]"))
            #expect(seen.isUntouched == (got == event) || seen.isTerminal)
            if seen.isTerminal { continue }
            #expect(try decoded(String(got.dropFirst(6))) == expected, "\(event)")
            #expect(isSubsequence(got.replacing("null", with: ""), of: event))
        }
        #expect(received.isEmpty)
    }

    @Test(arguments: WireSample.wholeChoices)
    func onlyInjectedValuesChangeInBodies(sample: WireSample) throws {
        let got = restored(sample, try sample.injectedReply())
        let sent = "data: " + sample.bodyText
        #expect(try decoded(got) == expected(sent, of: sample))
        #expect(isSubsequence(got.replacing("null", with: ""), of: sent))
    }

    // MARK: An independent implementation

    private static func events(_ text: String) -> [String] {
        text.components(separatedBy: "\n\n").filter { !$0.isEmpty }
    }

    /// The event that the agent must receive, decoded; nil if it is dropped.
    private func expected(_ event: String, of sample: WireSample) throws -> NSObject? {
        guard event != "data: [DONE]" else { return NSNull() }
        let document = try decoded(String(event.dropFirst(6)))
        // llama.cpp begins some streams with a `null`.
        guard var chunk = document as? [String: Any] else { return document }
        var choices = chunk["choices"] as? [[String: Any]] ?? []
        var isInjectedOnly = !choices.isEmpty
        for index in choices.indices {
            let hasData = choices[index]["logprobs"] is [String: Any] || choices[index]["token_ids"] is [Any]
            let isEmpty = (choices[index]["delta"] as? [String: Any])?.isEmpty ?? false
            if !hasData || !isEmpty || choices[index]["finish_reason"] is String { isInjectedOnly = false }
            if sample.asksLogprobs && choices[index]["logprobs"] != nil {
                let isAbsent = !sample.isVLLM && sample.api == .chatCompletions
                choices[index]["logprobs"] = isAbsent ? nil : NSNull()
            }
            for key in sample.injectedLists where choices[index][key] != nil { choices[index][key] = NSNull() }
        }
        if isInjectedOnly && (sample.asksLogprobs || sample.asksTokenIDs) { return nil }
        chunk["choices"] = choices
        for key in sample.injectedLists where chunk[key] != nil { chunk[key] = NSNull() }
        return chunk as NSDictionary
    }

    private func isSubsequence(_ part: String, of whole: String) -> Bool {
        var rest = Substring(whole).utf8[...]
        for byte in part.utf8 {
            guard let found = rest.firstIndex(of: byte) else { return false }
            rest = rest[rest.index(after: found)...]
        }
        return true
    }
}

extension WireSample {
    /// The lists besides `logprobs` that came because the recorder asked for token data. Of an echoed prompt, vLLM
    /// sends no ids for `return_token_ids`, but always log-probabilities.
    fileprivate var injectedLists: [String] {
        var lists = asksTokenIDs ? ["token_ids", "prompt_token_ids"] : []
        if echoesPrompt && asksLogprobs { lists.append("prompt_logprobs") }
        return lists
    }
}
