/// A token that a scripted model emits.
package struct ScriptedToken: Sendable, Equatable {
    package var id: Int
    package var text: String
    /// The number exactly as the engine writes it, such as `-2.145764938177308e-6`.
    package var logprob: String

    package init(_ id: Int, _ text: String, _ logprob: String) {
        self.id = id
        self.text = text
        self.logprob = logprob
    }
}

/// What a scripted model emits at once: usually one token, and what the client sees of it.
package struct ScriptedStep: Sendable {
    /// What the engine's parsers show of the tokens.
    package enum Delta: Sendable, Equatable {
        case reasoning(String)
        case content(String)
        /// A tool call begins; its arguments follow.
        case toolCall(index: Int, id: String, name: String)
        /// A fragment of the arguments' JSON text.
        case arguments(index: Int, String)
        /// The parsers swallow the tokens: they are part of the completion, but are not shown.
        case swallowed
    }

    package var tokens: [ScriptedToken]
    package var delta: Delta

    package init(_ tokens: [ScriptedToken], _ delta: Delta) {
        self.tokens = tokens
        self.delta = delta
    }
}

/// A whole scripted completion, one choice of a reply.
package struct ScriptedReply: Sendable {
    package var steps: [ScriptedStep]
    /// The end-of-turn token; nil if the completion was cut off.
    package var stopToken: ScriptedToken?
    /// Overrides the finish reason, which else follows from the steps and the stop token.
    package var finishReason: String?
    /// What vLLM calls the stop reason: the id of a stop token other than the end of the turn.
    package var stopReason: Int?
    /// Overrides the number of tokens in `usage`, for an engine whose counts and tokens disagree.
    package var usageTokenCount: Int?

    package init(_ steps: [ScriptedStep], stopToken: ScriptedToken?, finishReason: String? = nil) {
        self.steps = steps
        self.stopToken = stopToken
        self.finishReason = finishReason
    }

    /// Every token, in the order of generation, with the stop token.
    package var tokens: [ScriptedToken] {
        steps.flatMap(\.tokens) + (stopToken.map { [$0] } ?? [])
    }
}

extension [ScriptedStep] {
    /// One step a token, shown as reasoning.
    package static func reasoning(_ tokens: [ScriptedToken]) -> [ScriptedStep] {
        tokens.map { ScriptedStep([$0], .reasoning($0.text)) }
    }

    /// One step a token, shown as content.
    package static func content(_ tokens: [ScriptedToken]) -> [ScriptedStep] {
        tokens.map { ScriptedStep([$0], .content($0.text)) }
    }

    /// One step a token, none of them shown.
    package static func swallowed(_ tokens: [ScriptedToken]) -> [ScriptedStep] {
        tokens.map { ScriptedStep([$0], .swallowed) }
    }

    /// A tool call: tokens that are swallowed up to the name of the tool, then its arguments.
    package static func toolCall(
        index: Int = 0, id: String, name: String, heading: [ScriptedToken], arguments: [ScriptedToken]
    ) -> [ScriptedStep] {
        swallowed(heading.dropLast())
            + heading.suffix(1).map { ScriptedStep([$0], .toolCall(index: index, id: id, name: name)) }
            + arguments.map { ScriptedStep([$0], .arguments(index: index, $0.text)) }
    }
}

// MARK: - Sums

extension ScriptedReply {
    struct ToolCall {
        var id: String
        var name: String
        var arguments = ""
    }

    var content: String {
        steps.reduce(into: "") { if case .content(let text) = $1.delta { $0 += text } }
    }

    var reasoning: String {
        steps.reduce(into: "") { if case .reasoning(let text) = $1.delta { $0 += text } }
    }

    var reasoningTokenCount: Int {
        steps.reduce(0) { if case .reasoning = $1.delta { $0 + $1.tokens.count } else { $0 } }
    }

    var toolCalls: [ToolCall] {
        steps.reduce(into: []) { calls, step in
            switch step.delta {
            case .toolCall(_, let id, let name): calls.append(ToolCall(id: id, name: name))
            case .arguments(let index, let text) where calls.indices.contains(index): calls[index].arguments += text
            default: break
            }
        }
    }

    /// The number of tokens in the final `usage`.
    var finalTokenCount: Int {
        usageTokenCount ?? tokens.count
    }

    var effectiveFinishReason: String {
        finishReason ?? (stopToken == nil ? "length" : toolCalls.isEmpty ? "stop" : "tool_calls")
    }
}
