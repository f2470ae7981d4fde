import VerbatimJSON
import NIOHTTP1
import VerbatimAPI

/// An answer of the proxy's own, in the form that the agent's API gives to errors.
struct ErrorReply: Sendable {
    enum Form: Sendable {
        /// `{"error":{"message":…,"type":…,"param":null,"code":…}}`
        case openAI
        /// `{"type":"error","error":{"type":…,"message":…}}`
        case anthropic
    }

    let status: HTTPResponseStatus
    let message: String
    let type: String
    let code: String
    /// Seconds after which another try may succeed.
    var retryAfter: Int?

    static func badRequest(_ message: String) -> ErrorReply {
        ErrorReply(status: .badRequest, message: message, type: "invalid_request_error", code: "invalid_request")
    }

    static let invalidKey = ErrorReply(
        status: .unauthorized,
        message: "this proxy asks for an API key: send it as 'Authorization: Bearer KEY', x-api-key or api-key",
        type: "invalid_request_error", code: "invalid_api_key")

    static let sessionNotAllowed = ErrorReply(
        status: .forbidden, message: "this API key is bound to a session, and the request names another one",
        type: "invalid_request_error", code: "session_not_allowed")

    static func bodyTooLarge(limit: Int) -> ErrorReply {
        ErrorReply(
            status: .payloadTooLarge, message: "the request body is larger than \(limit) bytes (--max-body-size)",
            type: "invalid_request_error", code: "body_too_large")
    }

    static func notImplemented(_ message: String) -> ErrorReply {
        ErrorReply(
            status: .notImplemented, message: message, type: "invalid_request_error", code: "not_implemented")
    }

    static let routeNotAllowed = ErrorReply(
        status: .forbidden, message: "this proxy forwards captured routes and GET /v1/models only (--only-captured)",
        type: "invalid_request_error", code: "route_not_allowed")

    static let expectationFailed = ErrorReply(
        status: .expectationFailed, message: "the only expectation that can be met is 100-continue",
        type: "invalid_request_error", code: "expectation_failed")

    static func headTooLarge(limit: Int, count: Int) -> ErrorReply {
        ErrorReply(
            status: .requestHeaderFieldsTooLarge,
            message: "the request line and headers are larger than \(limit) bytes (--max-header-size), or more than "
                + "\(count) headers", type: "invalid_request_error", code: "headers_too_large")
    }

    /// The agent was too slow; `part` says with what.
    static func requestTimeout(_ part: String) -> ErrorReply {
        ErrorReply(
            status: .requestTimeout, message: part, type: "invalid_request_error", code: "request_timeout")
    }

    static let tooManyConnections = ErrorReply(
        status: .serviceUnavailable, message: "the proxy has as many connections as it may have (--max-connections)",
        type: "server_error", code: "too_many_connections", retryAfter: 1)

    static let overloaded = ErrorReply(
        status: .serviceUnavailable, message: "the proxy holds as many request bodies as it may (--max-buffered)",
        type: "server_error", code: "overloaded", retryAfter: 1)

    static func badGateway(_ message: String) -> ErrorReply {
        ErrorReply(status: .badGateway, message: message, type: "upstream_error", code: "upstream_unavailable")
    }

    static func gatewayTimeout(_ message: String) -> ErrorReply {
        ErrorReply(status: .gatewayTimeout, message: message, type: "upstream_error", code: "upstream_timeout")
    }

    static func traceUnavailable(_ reason: String) -> ErrorReply {
        ErrorReply(
            status: .serviceUnavailable, message: "turns cannot be recorded: \(reason)", type: "server_error",
            code: "trace_unavailable")
    }

    static let tooManySessions = ErrorReply(
        status: .serviceUnavailable,
        message: "this turn would begin a new session, and the proxy has numbered the turns of as many as it can: "
            + "name a session that has begun, or restart the proxy on a new trace",
        type: "server_error", code: "too_many_sessions")

    /// 422: a client library does not try that again.
    ///
    /// - Parameter words: What the engine answered to the request; `nil` if it was not asked.
    static func captureUnavailable(
        required: String, engine: String, api: API, words: String?
    ) -> ErrorReply {
        ErrorReply(
            status: .unprocessableEntity,
            message: "this turn cannot be captured at level \(required), which --require-capture demands: "
                + "the engine (\(engine)) does not give that for \(api.rawValue) requests like this one"
                + (words.map { "; it answered: \($0)" } ?? ""),
            type: "invalid_request_error", code: "capture_unavailable")
    }

    static let shuttingDown = ErrorReply(
        status: .serviceUnavailable, message: "the proxy is shutting down", type: "server_error", code: "shutting_down")

    /// Beside those that describe the body.
    var headers: HTTPHeaders {
        if status == .unauthorized { return ["WWW-Authenticate": "Bearer"] }
        return retryAfter.map { ["Retry-After": String($0)] } ?? [:]
    }

    func body(in form: Form) -> [UInt8] {
        JSONWriter.bytes { json in
            json.object { json in
                switch form {
                case .openAI:
                    json.key("error")
                    json.raw(object)
                case .anthropic:
                    json.member("type", "error")
                    json.object("error") { json in
                        json.member("type", anthropicType)
                        json.member("message", message)
                    }
                }
            }
        }
    }

    /// The type that Anthropic's API gives to errors of this status.
    private var anthropicType: String {
        switch status {
        case .unauthorized: "authentication_error"
        case .forbidden: "permission_error"
        case .payloadTooLarge, .requestHeaderFieldsTooLarge: "request_too_large"
        case .gatewayTimeout, .requestTimeout: "timeout_error"
        case .serviceUnavailable: "overloaded_error"
        case .badGateway: "api_error"
        default: "invalid_request_error"
        }
    }

    /// The object of OpenAI's form alone, as it stands in a record's `upstream_error`.
    var object: [UInt8] {
        JSONWriter.bytes { json in
            json.object { json in
                json.member("message", message)
                json.member("type", type)
                json.member("param", String?.none)
                json.member("code", code)
            }
        }
    }
}
