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

    let cell: ProbeCell
    let result: Result
    let problems: [ProblemCode]
    /// The engine's messages when it refused what was injected.
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
            result = .failed(status: turn.status, message: error ?? turn.outcome.rawValue)
        }
    }

    /// The capture level's name; nil if nothing was captured.
    var level: String? {
        if case .captured(let level, _, _) = result { level.rawValue } else { nil }
    }

    var isServed: Bool { if case .notServed = result { false } else { true } }

    func meets(_ requirement: ProxyConfiguration.Requirement) -> Bool {
        level == "tokens" || (requirement == .logprobs && level == "logprobs")
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
