import Foundation
import VerbatimTesting
import TestSupport
import Testing

@Suite("Scripted engines reply as recorded engines did")
struct ScriptedChatSampleTests {
    static let plainSamples = [
        "chat_stream_plain", "chat_stream_tokenids", "chat_stream_logprobs", "chat_stream_logprobs_top0",
        "chat_stream_logprobs_tokenids", "chat_stream_include_usage", "chat_stream_include_usage_logprobs_tokenids",
        "chat_stream_continuous_usage", "chat_unary_plain", "chat_unary_tokenids", "chat_unary_logprobs",
        "chat_unary_logprobs_top0", "chat_unary_logprobs_tokenids", "err_top_logprobs_without_logprobs",
        "err_invalid_json", "err_not_found",
    ]

    @Test(
        "Whole and streamed replies equal the recorded ones",
        arguments: ["vllm", "vllm-reasoning", "llamacpp", "llamacpp-tools"], plainSamples)
    func answersAsTheEngineDid(set: String, name: String) throws {
        // There two tokens went out in one event, as happens under load; a script cannot know.
        if set == "vllm-reasoning", name == "chat_stream_tokenids" { return }
        try expectSameAnswer(to: name, in: set, scriptedBy: "chat_stream_logprobs_tokenids")
    }

    @Test("Errors and tool calls equal vLLM's", arguments: ["vllm", "vllm-reasoning"])
    func answersAsVLLMDid(set: String) throws {
        for name in ["err_top_logprobs_too_large", "err_top_logprobs_too_large_stream"] {
            try expectSameAnswer(to: name, in: set, scriptedBy: "chat_stream_logprobs_tokenids")
        }
        for name in ["chat_stream_tools_required", "chat_unary_tools_required"] {
            try expectSameAnswer(to: name, in: set, scriptedBy: "chat_stream_tools_required")
        }
    }

    @Test(
        "Streamed tool calls equal llama.cpp's",
        arguments: ["extra_toolcall_reasoning_stream-true", "extra_toolcall_reasoning_stream-true_lp_ids"])
    func streamsToolCallsAsLlamaCppDid(name: String) throws {
        try expectSameAnswer(to: name, in: "llamacpp-tools", scriptedBy: "extra_toolcall_reasoning_stream-true")
    }

    private func expectSameAnswer(to name: String, in set: String, scriptedBy source: String) throws {
        let sample = try #require(WireSample.named(name, in: set))
        let script = try #require(WireSample.named(source, in: set))
        var chat = ScriptedChat(set.hasPrefix("vllm") ? .vllm : .llamacpp, try conversation(from: script))
        chat.model = "tiny/tiny-1"
        let request = MockRequest(
            method: sample.request.method, target: sample.request.path, body: sample.request.body)
        let expected = sample.response
        switch chat.answer(request) {
        case .whole(let status, let reason, let headers, let body):
            #expect(status == expected.status && reason == expected.reason)
            #expect(headers.map(\.0) == expected.headers.map(\.name))
            #expect(comparable(body) == comparable(expected.bodyText))
        case .stream(let headers, let events):
            #expect(expected.status == 200 && headers.map(\.0) == expected.headers.map(\.name))
            #expect(events.map(comparable) == expected.events.map(comparable))
        }
    }

    /// The script that corresponds to a recorded stream.
    private func conversation(from sample: WireSample) throws -> Conversation {
        var steps: [ScriptedStep] = []
        var promptTokenIDs = [Int](0..<23)
        var finishReason = "length"
        var stopReason: Int?
        for event in sample.response.events {
            guard let chunk = MockJSON.parse(Array(event.utf8)) else { continue }
            let ids = chunk["prompt_token_ids"]?.elements.compactMap(\.intValue) ?? []
            if !ids.isEmpty { promptTokenIDs = ids }
            guard let choice = chunk["choices"]?[0], let delta = choice["delta"], delta["role"] == nil else { continue }
            let ending = choice["finish_reason"]?.stringValue
            if let ending { finishReason = ending }
            stopReason = choice["stop_reason"]?.intValue
            let entries = choice["logprobs"]?["content"]?.elements ?? []
            if ending != nil, entries.isEmpty { continue }
            let tokens = entries.enumerated().map { index, entry in
                token(entry, id: choice["token_ids"]?[index]?.intValue)
            }
            steps.append(ScriptedStep(tokens, Self.delta(delta)))
            // llama.cpp announces a call together with its first arguments.
            if case .toolCall = Self.delta(delta), let text = Self.arguments(delta) {
                steps.append(ScriptedStep([], .arguments(index: 0, text)))
            }
        }
        var reply = ScriptedReply(steps, stopToken: nil, finishReason: finishReason)
        reply.stopReason = stopReason
        // llama.cpp counts tokens that end inside a character, and reports them together with the next one.
        if sample.set.hasPrefix("llamacpp") { reply.usageTokenCount = 12 }
        return .always([reply], promptTokenIDs: promptTokenIDs)
    }

    private func token(_ entry: MockJSON, id: Int?) -> ScriptedToken {
        var logprob = "null"
        if case .number(let text) = entry["logprob"] { logprob = text }
        return ScriptedToken(id ?? entry["id"]?.intValue ?? -1, entry["token"]?.stringValue ?? "", logprob)
    }

    private static func delta(_ delta: MockJSON) -> ScriptedStep.Delta {
        if let text = delta["reasoning"]?.stringValue { return .reasoning(text) }
        if let text = delta["content"]?.stringValue { return .content(text) }
        guard let call = delta["tool_calls"]?[0] else { return .swallowed }
        if let id = call["id"]?.stringValue, let name = call["function"]?["name"]?.stringValue {
            return .toolCall(index: 0, id: id, name: name)
        }
        return .arguments(index: 0, arguments(delta) ?? "")
    }

    private static func arguments(_ delta: MockJSON) -> String? {
        delta["tool_calls"]?[0]?["function"]?["arguments"]?.stringValue
    }

    /// The text without what differs from one answer of an engine to the next, and without the alternatives and the
    /// bytes of tokens, which a script does not hold.
    ///
    /// Log-probabilities are compared by value: vLLM writes the same number as `-0.00007` or `-1e-7` in a stream and as
    /// `-7e-05` or `-1e-07` in a whole body, while a script writes the text it was given.
    private func comparable(_ text: String) -> String {
        text.replacing(/"(id|request_id)":"[^"]*"/, with: "\"id\"")
            .replacing(/"logprob":(?<number>[-+.0-9e]+)/) { "\"logprob\":\(Double($0.output.number) ?? .nan)" }
            .replacing(/"created":[0-9]+/, with: "\"created\"")
            .replacing(/"system_fingerprint":"[^"]*"/, with: "\"system_fingerprint\"")
            .replacing(/"timings":\{[^}]*\}/, with: "\"timings\"")
            .replacing(/"cached_tokens":[0-9]+/, with: "\"cached_tokens\"")
            .replacing(/"bytes":\[[0-9,]*\]/, with: "\"bytes\"")
            .replacing(/"top_logprobs":\[\{.*?(?:"bytes"|[0-9])\}\]/, with: "\"top_logprobs\":[…]")
    }
}

extension WireSample.Response {
    fileprivate var bodyText: String { String(decoding: body, as: UTF8.self) }

    /// The text after `data: ` of each event.
    fileprivate var events: [String] {
        bodyText.components(separatedBy: "\n\n").filter { !$0.isEmpty }.map { String($0.dropFirst("data: ".count)) }
    }
}
