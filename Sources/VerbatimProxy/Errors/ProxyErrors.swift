import NIOHTTP1
package import VerbatimAPI
package import VerbatimHTTP

// What the proxy refuses beyond HTTP's own rules. The codes are stable; docs/threat-model.md lists them.

extension ErrorResponse {
    package static let invalidKey = ErrorResponse(
        status: .unauthorized, side: .client, code: "invalid_api_key",
        message: "this proxy requires an API key: send it as 'Authorization: Bearer KEY', x-api-key or api-key")

    package static let sessionNotAllowed = ErrorResponse(
        status: .forbidden, side: .client, code: "session_not_allowed",
        message: "this API key is bound to a session, and the request names another one")

    package static let routeNotAllowed = ErrorResponse(
        status: .forbidden, side: .client, code: "route_not_allowed",
        message: "this proxy forwards captured routes and GET /v1/models only (--only-captured)")

    package static let unsupportedCoding = ErrorResponse(
        status: .unsupportedMediaType, side: .client, code: "unsupported_content_encoding",
        message: "a compressed request body cannot be captured: send it without Content-Encoding")

    package static func traceUnavailable(_ reason: String) -> ErrorResponse {
        ErrorResponse(
            status: .serviceUnavailable, side: .server, code: "trace_unavailable",
            message: "turns cannot be recorded: \(reason)")
    }

    package static let tooManySessions = ErrorResponse(
        status: .serviceUnavailable, side: .server, code: "too_many_sessions",
        message: "this turn would begin a new session, and the proxy already numbers the turns of as many as it can: "
            + "name an existing session, or restart the proxy on a new trace")

    package static let tooManySessionsOfKey = ErrorResponse(
        status: .forbidden, side: .client, code: "too_many_sessions_of_key",
        message: "this turn would begin a new session, and the agents of this key have begun as many as they may "
            + "(--max-sessions-per-key): name an existing session")

    /// Without a header that names a time for another try, since no later try can succeed.
    ///
    /// - Parameter what: What is used up, for people: `calls`, `completion tokens`.
    package static func budgetExhausted(_ what: String) -> ErrorResponse {
        ErrorResponse(
            status: .tooManyRequests, side: .client, code: "budget_exhausted",
            message: "the budget of this session is used up (\(what)): no further model calls are made", isFinal: true)
    }

    /// 422, because client libraries do not retry that status.
    ///
    /// - Parameter words: The engine's error message; `nil` if no request was sent to it.
    package static func captureUnavailable(
        required: String, engine: String, api: API, words: String?
    ) -> ErrorResponse {
        ErrorResponse(
            status: .unprocessableEntity, side: .client, code: "capture_unavailable",
            message: "this turn cannot be captured at level \(required), which --require-capture demands: "
                + "the engine (\(engine)) does not give that for \(api.rawValue) requests like this one"
                + (words.map { "; it replied: \($0)" } ?? ""))
    }
}
