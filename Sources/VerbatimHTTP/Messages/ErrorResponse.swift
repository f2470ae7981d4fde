package import NIOHTTP1

/// A response that the server writes itself because a request cannot be served.
package struct ErrorResponse: Error, Equatable, Sendable {
    /// The side that failed.
    package enum Side: Sendable {
        /// The request is wrong or not allowed.
        case client
        /// The server cannot serve it now.
        case server
        /// The upstream could not be reached, or did not respond in time.
        case upstream
    }

    package let status: HTTPResponseStatus
    package let side: Side
    /// Stable; clients match on it.
    package let code: String
    /// What is wrong and what to do about it, for people.
    package let message: String
    /// Seconds after which another try may succeed.
    package var retryAfter: Int?
    /// Another try fails as well, although the status suggests otherwise. The official clients of OpenAI and Anthropic
    /// repeat a request after 408, 409, 429 and 5xx unless `x-should-retry: false` tells them not to.
    package var isFinal = false

    package init(
        status: HTTPResponseStatus, side: Side, code: String, message: String, retryAfter: Int? = nil,
        isFinal: Bool = false
    ) {
        self.status = status
        self.side = side
        self.code = code
        self.message = message
        self.retryAfter = retryAfter
        self.isFinal = isFinal
    }

    /// The headers beside those that describe the body.
    package var headers: HTTPHeaders {
        if status == .unauthorized { return ["WWW-Authenticate": "Bearer"] }
        if isFinal { return ["x-should-retry": "false"] }
        return retryAfter.map { ["Retry-After": String($0)] } ?? [:]
    }
}

/// How an error is written as a body. APIs differ, so each request's handler supplies the format.
package struct ErrorFormat: Sendable {
    /// The JSON text of the body.
    package let body: @Sendable (ErrorResponse) -> [UInt8]

    package init(body: @escaping @Sendable (ErrorResponse) -> [UInt8]) { self.body = body }
}

// MARK: What HTTP itself refuses

extension ErrorResponse {
    package static func badRequest(_ message: String) -> ErrorResponse {
        ErrorResponse(status: .badRequest, side: .client, code: "invalid_request", message: message)
    }

    package static func notImplemented(_ message: String) -> ErrorResponse {
        ErrorResponse(status: .notImplemented, side: .client, code: "not_implemented", message: message)
    }

    package static let expectationFailed = ErrorResponse(
        status: .expectationFailed, side: .client, code: "expectation_failed",
        message: "100-continue is the only supported expectation")

    package static func headTooLarge(limit: Int, count: Int) -> ErrorResponse {
        ErrorResponse(
            status: .requestHeaderFieldsTooLarge, side: .client, code: "headers_too_large",
            message: "the request line and headers are larger than \(limit) bytes (--max-header-size), or more than "
                + "\(count) headers")
    }

    package static func bodyTooLarge(limit: Int) -> ErrorResponse {
        ErrorResponse(
            status: .payloadTooLarge, side: .client, code: "body_too_large",
            message: "the request body is larger than \(limit) bytes (--max-body-size)")
    }

    /// The client was too slow; `message` states what did not arrive in time.
    package static func requestTimeout(_ message: String) -> ErrorResponse {
        ErrorResponse(status: .requestTimeout, side: .client, code: "request_timeout", message: message)
    }

    package static let tooManyConnections = ErrorResponse(
        status: .serviceUnavailable, side: .server, code: "too_many_connections",
        message: "the limit of concurrent connections is reached (--max-connections)", retryAfter: 1)

    package static let overloaded = ErrorResponse(
        status: .serviceUnavailable, side: .server, code: "overloaded",
        message: "the limit of memory for request bodies is reached (--max-buffered)", retryAfter: 1)

    package static let shuttingDown = ErrorResponse(
        status: .serviceUnavailable, side: .server, code: "shutting_down", message: "the proxy is shutting down")

    package static func badGateway(_ message: String) -> ErrorResponse {
        ErrorResponse(status: .badGateway, side: .upstream, code: "upstream_unavailable", message: message)
    }

    package static func gatewayTimeout(_ message: String) -> ErrorResponse {
        ErrorResponse(status: .gatewayTimeout, side: .upstream, code: "upstream_timeout", message: message)
    }
}
