import NIOHTTP1
import VerbatimHTTP
import VerbatimJSON

/// What the admin listener responds.
struct AdminResponse: Sendable {
    var status: HTTPResponseStatus
    var headers: HTTPHeaders = [:]
    var contentType = "application/json"
    var body: [UInt8]

    init(_ status: HTTPResponseStatus = .ok, body: [UInt8], contentType: String = "application/json") {
        self.status = status
        self.body = body
        self.contentType = contentType
    }

    /// A JSON object.
    init(_ status: HTTPResponseStatus = .ok, object: (inout JSONWriter) -> Void) {
        self.init(status, body: JSONWriter.bytes { $0.object(object) })
    }

    init(_ error: ErrorResponse) {
        self.init(error.status, body: ErrorFormat.admin.body(error))
        headers = error.headers
    }
}
