import VerbatimJSON
import Verbatim

/// What a request of one kind gave.
struct ProbeFinding: Sendable {
    enum Result: Sendable {
        case captured(level: TurnCaptureLevel, isComplete: Bool, hasPromptIDs: Bool)
        /// The engine has no such API.
        case notServed
        /// The engine's own words.
        case failed(status: Int?, message: String)
    }

    let cell: ProbeCell
    let result: Result
    let problems: [String]
    /// What the engine said when it refused what was asked for.
    let refusals: [String]

    init(cell: ProbeCell, turn: Turn) {
        self.cell = cell
        problems = turn.captureProblems
        refusals = turn.refusals
        let error = Self.error(of: turn)
        if turn.outcome == .completed {
            result = .captured(
                level: turn.captureLevel, isComplete: turn.isCaptureComplete, hasPromptIDs: turn.promptTokenIDs != nil)
        } else if Self.isNoSuchAPI(turn, error: error) {
            result = .notServed
        } else {
            result = .failed(status: turn.status, message: error ?? turn.outcome.name)
        }
    }

    /// The level's word; `nil` if nothing could be captured at all.
    var level: String? {
        if case .captured(let level, _, _) = result { level.name } else { nil }
    }

    var isServed: Bool { if case .notServed = result { false } else { true } }

    func meets(_ requirement: ProxyConfiguration.Requirement) -> Bool {
        switch requirement {
        case .tokens: level == "tokens"
        case .logprobs: level == "tokens" || level == "logprobs"
        }
    }

    /// A 404 may also be about the model.
    private static func isNoSuchAPI(_ turn: Turn, error: String?) -> Bool {
        if error?.hasPrefix("Unexpected endpoint") ?? false { return true }
        guard [404, 405, 501].contains(turn.status ?? 0) else { return false }
        return !(error?.lowercased().contains(text: "model") ?? false)
    }

    /// The message of the error that the engine answered with.
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

/// Whether the engine's log-probabilities are those of the model or of what it samples from.
enum LogprobsMode: String, Sendable {
    /// They do not change with the temperature.
    case raw
    /// They do.
    case processed
    /// Not enough of them came to tell.
    case unknown

    /// Compares the alternatives for one and the same token at two temperatures.
    init(cool: [String: Double], hot: [String: Double]) {
        let differences = cool.compactMap { token, value in hot[token].map { abs($0 - value) } }
        if differences.count < 2 {
            self = .unknown
        } else {
            // The same computation twice differs by a few thousandths at most.
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
