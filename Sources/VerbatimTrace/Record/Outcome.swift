/// How an exchange ended.
package enum Outcome: String, CaseIterable, Sendable {
    case completed
    case upstreamError = "upstream_error"
    case upstreamDisconnected = "upstream_disconnected"
    case clientDisconnected = "client_disconnected"
    case timeout
    case shutdown
    /// By the proxy, which could not have captured what it must.
    case refused
}

/// What could be captured of a turn.
package enum CaptureLevel: String, CaseIterable, Sendable {
    /// Token ids and log-probabilities.
    case tokens
    case logprobs
    case ids
    case text
    case none
}
