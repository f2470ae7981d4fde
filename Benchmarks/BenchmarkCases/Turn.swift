import VerbatimJSON
import VerbatimTrace
import VerbatimAPI
import VerbatimSchema

/// A request prepared for an engine that is known to be vLLM, and the record of its turn.
struct Turn {
    let prepared: PreparedRequest
    let reply: any ReplyTransform

    init(_ body: [UInt8], detail: TraceDetail = .entries) {
        var policy = RequestPolicy()
        policy.detail = detail
        do {
            let exchange = try APIRegistry.request(to: .chatCompletions, body: body)
                .prepared(policy: policy, profile: .vllm, injectionLimits: InjectionLimits())
            prepared = exchange.request
            reply = exchange.reply
        } catch {
            preconditionFailure("a request of the benchmark cannot be read: \(error.message)")
        }
    }

    func record(of capture: Capture) -> TurnRecord {
        TurnRecord(
            turn: 1,
            sessionID: "0b54a5d2-6d9f-4b57-a5ea-3d1f8a0f5c11",
            dialect: API.chatCompletions.rawValue,
            path: "/v1/chat/completions",
            isStream: prepared.isStream,
            engine: EngineProfile.vllm.name,
            engineSource: "reply",
            outcome: .completed,
            status: 200,
            isHeadSent: true,
            request: prepared.content,
            response: capture.response,
            choices: capture.choices.map { choice in
                ChoiceRecord(
                    index: choice.index, logprobs: choice.logprobs, tokens: choice.tokens,
                    tokenIDs: choice.tokenIDs, logprobValues: choice.logprobValues,
                    finishReason: choice.finishReason, promptTokenIDs: choice.promptTokenIDs)
            },
            promptTokenIDs: capture.promptTokenIDs,
            usage: capture.usage,
            model: capture.model,
            responseID: capture.responseID,
            clientFields: prepared.clientFields.map { ClientField(name: $0.name, value: $0.value) },
            level: .tokens,
            isComplete: capture.isComplete,
            problems: capture.problems,
            timestamp: 1795334114.25,
            latency: 1.5,
            timeToFirstToken: 0.125)
    }
}

extension TurnRecord {
    /// About the size of the record. Reading it keeps the compiler from leaving out unused work.
    var size: Int { response.count + choices.reduce(0) { $0 + ($1.logprobs?.count ?? 0) + $1.tokens.rope.count } }
}
