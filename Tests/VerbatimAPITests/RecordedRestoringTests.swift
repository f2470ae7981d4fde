import Foundation
import TestSupport
import Testing
import VerbatimAPI

/// Recorded replies of real engines: what the agent gets of them.
@Suite struct RecordedRestoringTests {
    /// A recording with token data, and one of the same request without.
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

    @Test func thePairsAreThere() { #expect(Self.pairs.count == 61) }

    @Test(arguments: pairs)
    func restoredIsPlain(pair: Pair) throws {
        // There two tokens went out in one event, as happens under load: another cut of the same text.
        if "\(pair.captured)" == "vllm-reasoning/chat_stream_tokenids" { return }
        let expected = WireSample.comparable(pair.plain.bodyText)
        #expect(WireSample.comparable(restored(pair.captured, try pair.captured.injectedReply())) == expected)
        #expect(WireSample.comparable(restored(pair.captured, try pair.captured.injectedReply(.generic))) == expected)
    }

    /// With nothing injected, and with the same asked for by the agent itself, every byte passes.
    @Test(arguments: WireSample.replies)
    func whatTheAgentAskedForStays(sample: WireSample) throws {
        #expect(restored(sample, try sample.untouchedReply()) == sample.bodyText)
        #expect(restored(sample, try sample.ownReply()) == sample.bodyText)
    }

    /// An engine that is not known yet is restored like one that is.
    @Test(arguments: WireSample.choiceReplies)
    func genericIsAsGood(sample: WireSample) throws {
        let specific = restored(sample, try sample.injectedReply())
        #expect(restored(sample, try sample.injectedReply(.generic)) == specific)
    }

    /// Event by event: what was injected is off, and nothing else has changed its value, its place or its text.
    @Test(arguments: WireSample.choiceStreams)
    func onlyTheInjectionIsUndone(sample: WireSample) throws {
        let driver = StreamDriver.run(try sample.injectedReply(), sample.response.body)
        let sent = Self.events(sample.bodyText)
        var received = Self.events(driver.outputText)[...]
        #expect(sent.count == driver.fates.count)
        for (event, fate) in zip(sent, driver.fates) {
            guard let expected = try expected(event, of: sample) else {
                #expect(fate.isDrop, "\(event)")
                continue
            }
            let next = received.popFirst()
            let got = try #require(next)
            #expect(fate.isTerminal == (event == "data: [DONE]"))
            #expect(fate.isForward == (got == event) || fate.isTerminal)
            if fate.isTerminal { continue }
            #expect(try decoded(String(got.dropFirst(6))) == expected, "\(event)")
            #expect(isSubsequence(got.replacing("null", with: ""), of: event))
        }
        #expect(received.isEmpty)
    }

    @Test(arguments: WireSample.wholeChoices)
    func onlyTheInjectionIsUndoneInWholeReplies(sample: WireSample) throws {
        let got = restored(sample, try sample.injectedReply())
        let sent = "data: " + sample.bodyText
        #expect(try decoded(got) == expected(sent, of: sample))
        #expect(isSubsequence(got.replacing("null", with: ""), of: sent))
    }

    // MARK: Another way to undo an injection

    private static func events(_ text: String) -> [String] {
        text.components(separatedBy: "\n\n").filter { !$0.isEmpty }
    }

    /// What the agent shall get of an event, decoded; `nil` if nothing.
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
    /// The lists beside `logprobs` that came because of what the recorder asked for. vLLM gives no ids of what it echoes
    /// because of `return_token_ids`, but always its log-probabilities.
    fileprivate var injectedLists: [String] {
        var lists = asksTokenIDs ? ["token_ids", "prompt_token_ids"] : []
        if echoesPrompt && asksLogprobs { lists.append("prompt_logprobs") }
        return lists
    }
}
