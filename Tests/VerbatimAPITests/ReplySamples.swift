import VerbatimSchema
import Foundation
import VerbatimJSON
import TestSupport
import Testing
import VerbatimAPI
import VerbatimTesting

/// The recorded replies and their requests.
extension WireSample {
    /// The APIs whose recorded replies are read in every way.
    static let dialects: [API] = [
        .chatCompletions,
        .completions,
        .responses,
        .messages,
    ]

    /// The APIs with choices, whose replies are also compared with an independent reader.
    static let dialectsWithChoices: [API] = [.chatCompletions, .completions]

    /// Every successful reply, plain or with token data, in all four sets.
    static let replies = all.filter { $0.isReply(in: dialects) }
    static let streamedReplies = replies.filter(\.response.isEventStream)

    static let choiceReplies = all.filter { $0.isReply(in: dialectsWithChoices) }
    static let choiceStreams = choiceReplies.filter(\.response.isEventStream)
    static let wholeChoices = choiceReplies.filter { !$0.response.isEventStream }

    private func isReply(in dialects: [API]) -> Bool {
        guard let api = APIRegistry.api(method: request.method, path: request.path) else { return false }
        return dialects.contains(api) && response.status == 200 && !name.contains("err_")
    }

    var api: API {
        APIRegistry.api(method: request.method, path: request.path) ?? .chatCompletions
    }

    var isVLLM: Bool { engine == .vllm }
    var profile: EngineProfile { engine ?? .generic }
    var bodyText: String { String(decoding: response.body, as: UTF8.self) }

    /// Whether the recorder asked for these.
    var asksLogprobs: Bool { facts.asksLogprobs }
    var asksTokenIDs: Bool { facts.asksTokenIDs }

    /// Whether the prompt is echoed before the completion. llama.cpp has no such feature.
    var echoesPrompt: Bool { isVLLM && facts.asksEcho }

    var requestText: String { String(decoding: request.body, as: UTF8.self) }

    /// The request of an agent that does not ask for token data.
    var plainRequest: String { facts.plainRequest }

    /// What patterns find in a request. It is wanted again and again, and a pattern is parsed each time that it is
    /// used.
    private struct Facts: Sendable {
        let asksLogprobs: Bool
        let asksTokenIDs: Bool
        let asksEcho: Bool
        let plainRequest: String

        init(_ request: String) {
            asksLogprobs = request.contains(/"logprobs": ?(true|[0-9])/)
            asksTokenIDs = request.contains(/"return_token_ids": ?true/)
            asksEcho = request.contains(/"echo": ?true/)
            plainRequest = request.replacing(
                /, ?"(logprobs|top_logprobs|return_token_ids|return_tokens_as_token_ids)": ?[a-z0-9]+/, with: "")
        }
    }

    private static let facts = Dictionary(uniqueKeysWithValues: all.map { ($0.description, Facts($0.requestText)) })
    private var facts: Facts { Self.facts[description] ?? Facts(requestText) }

    /// The transform for such an agent, if everything that the recorder asked for was injected.
    func injectedReply(_ profile: EngineProfile? = nil, detail: TraceDetail = .full) throws -> any ReplyTransform {
        var injectionLimits = InjectionLimits()
        injectionLimits.logprobs = asksLogprobs
        injectionLimits.tokenIDs = asksTokenIDs
        return try prepare(plainRequest, api: api, profile: profile ?? self.profile, injectionLimits: injectionLimits) {
            $0.detail = detail
        }.reply
    }

    /// The transform for an agent that asked for the same.
    func ownReply(detail: TraceDetail = .full) throws -> any ReplyTransform {
        try prepare(requestText, api: api, profile: profile) {
            $0.goal = .text
            $0.detail = detail
        }.reply
    }

    /// The transform for an agent that asked for no token data and received none.
    func untouchedReply() throws -> any ReplyTransform {
        try prepare(plainRequest, api: api, profile: profile) {
            $0.goal = .text
            $0.detail = .full
        }.reply
    }

    /// The reply without values that differ in every reply: ids, times, and how much of the prompt was in llama.cpp's
    /// cache.
    static func comparable(_ text: String) -> String {
        text.replacing(/"id":"[^"]*"/, with: #""id":"…""#)
            .replacing(/"created":[0-9]+/, with: #""created":0"#)
            .replacing(/"timings":\{[^}]*\}/, with: #""timings":{}"#)
            .replacing(/"cached_tokens":[0-9]+/, with: #""cached_tokens":0"#)
    }
}

/// What an agent receives of a recorded reply.
func restored(_ sample: WireSample, _ reply: any ReplyTransform) -> String {
    let bytes =
        sample.response.isEventStream
        ? StreamDriver.run(reply, sample.response.body).output : readWhole(reply, sample.response.body).output
    return String(decoding: bytes, as: UTF8.self)
}

/// What is captured of a recorded reply.
func captured(_ sample: WireSample, _ reply: any ReplyTransform) -> Capture {
    sample.response.isEventStream
        ? StreamDriver.run(reply, sample.response.body).reply.captured()
        : readWhole(reply, sample.response.body).reply.captured()
}

/// All contents of a capture as texts, for comparisons.
func spelled(_ capture: Capture) -> [String] {
    var lines = [capture.responseText, "\(capture.level)", "\(capture.isComplete)"] + capture.problems.map(\.rawValue)
    for field in [capture.promptTokenIDs, capture.usage, capture.model, capture.responseID] {
        lines.append(field.text ?? "-")
    }
    for choice in capture.choices {
        lines.append("\(choice.index) \(choice.finishReason.text ?? "-")")
        lines += [choice.tokensText, choice.idsText, choice.valuesText]
        lines.append(choice.logprobs.map { String(decoding: $0.rope.bytes, as: UTF8.self) } ?? "-")
    }
    return lines
}
