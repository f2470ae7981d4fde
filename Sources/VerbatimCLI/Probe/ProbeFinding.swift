import VerbatimJSON
import Verbatim
import VerbatimPlatform

/// What was captured of one kind of request.
struct ProbeFinding: Sendable {
    enum Result: Sendable {
        case captured(level: CaptureLevel, isComplete: Bool, hasPromptIDs: Bool)
        /// The engine has no such API.
        case notServed
        /// The engine failed; with its own message.
        case failed(status: Int?, message: String)
    }

    /// How many tokens were generated, and how many of them are known in full.
    struct Tokens: Hashable, Sendable {
        /// nil if nothing says how many there were.
        var generated: Int?
        var withID = 0
        var withLogprob = 0
    }

    let cell: ProbeCell
    let result: Result
    let problems: [ProblemCode]
    /// The engine's messages when it refused what was injected.
    let refusals: [String]
    let tokens: Tokens
    /// Why the reply ended, in the engine's words.
    let finishReason: String?
    /// Whether the reply ended as it was meant to. If not, the finding is about the ending that it had.
    let hasAskedEnding: Bool
    /// What the assistant said.
    let text: String

    init(_ request: ProbeRequest, turn: Turn) {
        cell = request.cell
        problems = turn.captureProblems
        refusals = turn.refusals
        let error = Self.error(of: turn)
        let isCaptured = turn.outcome == .completed
        if isCaptured {
            result = .captured(
                level: turn.captureLevel, isComplete: turn.isCaptureComplete, hasPromptIDs: turn.promptTokenIDs != nil)
        } else if Self.isNoSuchAPI(turn, error: error) {
            result = .notServed
        } else {
            result = .failed(status: turn.status, message: error ?? turn.outcome.rawValue)
        }
        tokens = Tokens(turn)
        finishReason = turn.finishReason
        let parts = ReplyExcerpt(turn.responseJSON).parts
        text = parts.filter { $0.speaker == "assistant" }.map(\.text).joined(separator: "\n")
        let hasCall = parts.contains { $0.speaker == "tool call" }
        hasAskedEnding =
            isCaptured
            && request.isEnding(
                turn.finishReason ?? "", generated: tokens.generated, hasCall: hasCall, text: text)
    }

    /// A kind of request that left no record.
    init(cell: ProbeCell, failure: String) {
        self.cell = cell
        result = .failed(status: nil, message: failure)
        problems = []
        refusals = []
        tokens = Tokens()
        finishReason = nil
        hasAskedEnding = false
        text = ""
    }

    /// The capture level's name; nil if nothing was captured.
    var level: String? {
        if case .captured(let level, _, _) = result { level.rawValue } else { nil }
    }

    var isServed: Bool { if case .notServed = result { false } else { true } }

    private var isComplete: Bool { if case .captured(_, true, _) = result { true } else { false } }

    /// The level, and whether tokens are missing.
    var summary: String {
        guard let level else { return "nothing" }
        return level == "tokens" && !isComplete ? "tokens, incomplete" : level
    }

    func meets(_ requirement: ProxyConfiguration.Requirement) -> Bool {
        switch requirement {
        case .tokens: level == "tokens" && isComplete
        case .logprobs: level == "tokens" || level == "logprobs"
        default: level == "tokens"
        }
    }

    /// Whether the engine lacks the API. A 404 may also be about the model.
    private static func isNoSuchAPI(_ turn: Turn, error: String?) -> Bool {
        if error?.hasPrefix("Unexpected endpoint") ?? false { return true }
        guard [404, 405, 501].contains(turn.status ?? 0) else { return false }
        return !(error?.lowercased().contains(text: "model") ?? false)
    }

    /// Returns the message of the engine's error reply.
    private static func error(of turn: Turn) -> String? {
        let text = turn.responseJSON
        guard let response = try? JSONObject(document: text.span),
            let error = response.value("upstream_error", in: text.span), !error.isNull
        else { return nil }
        return message(in: error.bytes(in: text.span))
    }

    private static func message(in error: [UInt8]) -> String {
        guard let object = try? JSONObject(document: error.span) else {
            var cursor = JSONCursor()
            let value = try? cursor.skipValue(in: error.span)
            return value?.string(in: error.span) ?? String(decoding: error.prefix(200), as: UTF8.self)
        }
        if let inner = object.value("error", in: error.span) { return message(in: inner.bytes(in: error.span)) }
        return object.value("message", in: error.span)?.string(in: error.span)
            ?? String(decoding: error.prefix(200), as: UTF8.self)
    }
}

extension ProbeFinding.Tokens {
    fileprivate init(_ turn: Turn) {
        let choice = turn.choices.first
        let lists = choice.map { [$0.knownTokens.count, $0.knownTokenIDs.count, $0.perTokenLogprobs.count] } ?? []
        let listed = lists.max() ?? 0
        generated = turn.completionTokenCount ?? (listed > 0 ? listed : nil)
        withID = choice?.knownTokenIDs.count { $0 != nil } ?? 0
        withLogprob = choice?.perTokenLogprobs.count { $0 != nil } ?? 0
    }
}

/// Which distribution the engine's log-probabilities are of.
enum LogprobsMode: String, Sendable {
    /// The model's: they do not change with the temperature.
    case raw
    /// The one that is sampled from: they change with the temperature.
    case processed
    /// There were too few alternatives to decide.
    case unknown

    /// Compares the alternatives to the same token at two temperatures.
    init(cool: [String: Double], hot: [String: Double]) {
        let differences = cool.compactMap { token, value in hot[token].map { abs($0 - value) } }
        if differences.count < 2 {
            self = .unknown
        } else {
            // Between two runs of the same computation they differ by a few thousandths at most.
            self = differences.allSatisfy { $0 < 0.02 } ? .raw : .processed
        }
    }

    var explanation: String {
        switch self {
        case .raw: "raw: the model's own, before temperature and penalties"
        case .processed: "processed: after temperature and penalties"
        case .unknown: "unknown"
        }
    }
}
