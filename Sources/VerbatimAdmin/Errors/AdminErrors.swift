import NIOHTTP1
package import VerbatimHTTP
import VerbatimJSON
package import VerbatimSessions

extension ErrorFormat {
    /// `{"error":{"code":…,"message":…}}`
    package static let admin = ErrorFormat { error in
        JSONWriter.bytes { json in
            json.object { json in
                json.object("error") { json in
                    json.member("code", error.code)
                    json.member("message", error.message)
                }
            }
        }
    }
}

// MARK: What the API refuses. The codes are stable; docs/sessions.md lists them.

extension ErrorResponse {
    static let adminKeyMissing = ErrorResponse(
        status: .unauthorized, side: .client, code: "invalid_admin_key",
        message: "this listener requires the admin key: send it as 'Authorization: Bearer KEY'")

    static let routeNotFound = ErrorResponse(
        status: .notFound, side: .client, code: "route_not_found",
        message: "there is no such route; see docs/openapi.yaml")

    static let methodNotAllowed = ErrorResponse(
        status: .methodNotAllowed, side: .client, code: "method_not_allowed",
        message: "the route exists, but not with this method; see docs/openapi.yaml")

    package init(_ error: SessionsError) {
        let status: HTTPResponseStatus
        switch error.kind {
        case .invalid: status = .badRequest
        case .notFound: status = .notFound
        case .conflict: status = .conflict
        case .preconditionFailed: status = .preconditionFailed
        case .storage: status = .serviceUnavailable
        }
        self.init(
            status: status, side: error.kind == .storage ? .server : .client, code: error.code, message: error.message)
    }
}
