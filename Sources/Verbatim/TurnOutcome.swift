/// How an exchange ended.
public enum TurnOutcome: Hashable, Sendable {
    /// The engine's reply came to its end.
    case completed
    /// The engine answered with an error, or could not be reached.
    case upstreamError
    /// The engine closed the connection before its reply had ended.
    case upstreamDisconnected
    /// The agent closed the connection before the reply had ended.
    case clientDisconnected
    case timeout
    /// The proxy was stopped before the reply had ended.
    case shutdown
    /// The proxy refused the turn: it could not have captured what `--require-capture` demands.
    case refused
    /// What a later version may write.
    case unknown(String)

    /// The word that stands in the trace.
    public var name: String {
        switch self {
        case .completed: "completed"
        case .upstreamError: "upstream_error"
        case .upstreamDisconnected: "upstream_disconnected"
        case .clientDisconnected: "client_disconnected"
        case .timeout: "timeout"
        case .shutdown: "shutdown"
        case .refused: "refused"
        case .unknown(let name): name
        }
    }

    /// The outcome of that name.
    public init(name: String) {
        let known: [TurnOutcome] = [
            .completed, .upstreamError, .upstreamDisconnected, .clientDisconnected, .timeout, .shutdown,
            .refused,
        ]
        self = known.first { $0.name == name } ?? .unknown(name)
    }
}

/// What could be captured of a turn.
public enum TurnCaptureLevel: Hashable, Sendable {
    /// Token ids and log-probabilities.
    case tokens
    /// Log-probabilities without ids.
    case logprobs
    /// Ids without log-probabilities.
    case ids
    /// Text alone.
    case text
    /// Nothing.
    case none
    /// What a later version may write.
    case unknown(String)

    /// The word that stands in the trace.
    public var name: String {
        switch self {
        case .tokens: "tokens"
        case .logprobs: "logprobs"
        case .ids: "ids"
        case .text: "text"
        case .none: "none"
        case .unknown(let name): name
        }
    }

    /// The level of that name.
    public init(name: String) {
        let known: [TurnCaptureLevel] = [.tokens, .logprobs, .ids, .text, .none]
        self = known.first { $0.name == name } ?? .unknown(name)
    }
}
