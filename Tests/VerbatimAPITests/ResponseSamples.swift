import VerbatimSchema
import Foundation
import TestSupport
import Testing
import VerbatimAPI

/// Prepares a request to `/responses` with these fields.
func prepareResponse(
    _ body: String, profile: EngineProfile = .vllm, injectionLimits: InjectionLimits = InjectionLimits(),
    _ change: (inout RequestPolicy) -> Void = { _ in }
) throws -> PreparedExchange {
    var policy = RequestPolicy()
    change(&policy)
    return try APIRegistry.request(to: .responses, body: Array(body.utf8))
        .prepared(policy: policy, profile: profile, injectionLimits: injectionLimits)
}

/// The transform for a plain request into which everything was injected.
func injectedResponse(
    _ profile: EngineProfile = .vllm, _ change: (inout RequestPolicy) -> Void = { _ in }
) throws -> any ReplyTransform {
    try prepareResponse(#"{"model":"m","stream":true}"#, profile: profile, change).reply
}

/// The transform for a request into which nothing was injected.
func untouchedResponse() throws -> any ReplyTransform { try injectedResponse { $0.goal = .text } }

/// A stream of events of `/responses`: each has its type as its name, and there is no `[DONE]`.
func responseStream(_ events: [String]) -> String {
    events.map { event in
        let type = event.matches(of: /"type":"((?:response\.[a-z_.]+|error))"/).last.map { $0.1 } ?? "message"
        return "event: \(type)\ndata: \(event)\n\n"
    }.joined()
}

extension EngineProfile {
    /// OpenAI after its documentation: `[]` for disabled log-probabilities, 0 for no alternatives.
    static let documentedOpenAI: EngineProfile = {
        var profile = EngineProfile.openAI
        profile.logprobsWhenOff[.responses] = .emptyArray
        profile.unsetTopLogprobs = "0"
        return profile
    }()
}

/// The recorded responses and their requests.
extension WireSample {
    /// Every response, plain or with token data, in all four sets.
    static let responses = all.filter { $0.request.path == "/v1/responses" }
    static let answeredResponses = responses.filter { $0.response.status == 200 }
    static let responseStreams = answeredResponses.filter(\.response.isEventStream)

    var asksIncludedLogprobs: Bool { responseRequest.contains("message.output_text.logprobs") }

    private var responseRequest: String { String(decoding: request.body, as: UTF8.self) }

    /// The transform for an agent that did not ask for token data, if everything that the recorder asked for was
    /// injected.
    func injectedResponse(_ profile: EngineProfile? = nil, detail: TraceDetail = .full) throws -> any ReplyTransform {
        let plain = responseRequest.replacing(/, "include": \[[^\]]*\], "top_logprobs": \d+/, with: "")
        var injectionLimits = InjectionLimits()
        injectionLimits.logprobs = asksIncludedLogprobs
        let prepared = try prepareResponse(plain, profile: profile ?? self.profile, injectionLimits: injectionLimits) {
            $0.detail = detail
        }
        if asksIncludedLogprobs && isVLLM { #expect(prepared.injection.topLogprobs == 5) }
        return prepared.reply
    }

    /// The transform for an agent that asked for the same.
    func ownResponse(goal: CaptureGoal = .tokens, detail: TraceDetail = .full) throws -> any ReplyTransform {
        try prepareResponse(responseRequest, profile: profile) {
            $0.goal = goal
            $0.detail = detail
        }.reply
    }

    /// The reply without what differs in every reply: ids, times, texts, the cut of a text into deltas, event numbers.
    static func comparableResponse(_ text: String) -> String {
        let text =
            text.replacing(/"(id|item_id|call_id)":"[^"]*"/) { #""\#($0.1)":"…""# }
            .replacing(/"(text|delta|arguments)":"(?:[^"\\]|\\.)*"/) { #""\#($0.1)":"…""# }
            .replacing(/"(created_at|completed_at|sequence_number|cached_tokens)":[0-9]+/) { #""\#($0.1)":0"# }
        var events: [String] = []
        for event in text.components(separatedBy: "\n\n") where event != events.last { events.append(event) }
        return events.joined(separator: "\n\n")
    }
}
