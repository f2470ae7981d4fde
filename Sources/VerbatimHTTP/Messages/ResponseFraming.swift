package import NIOHTTP1

/// How the end of a response's body is marked (RFC 9112 §6).
package enum ResponseFraming: Sendable {
    case contentLength
    case chunked
    /// The body ends where the connection ends.
    case untilClose
    /// There is no body, whatever the headers say (HEAD, 204, 304).
    case none

    /// The framing of a response that the upstream sent.
    package init(of head: HTTPResponseHead) {
        if head.status.code == 204 || head.status.code == 304 {
            self = .none
        } else if head.headers[canonicalForm: "transfer-encoding"].contains(where: { $0.lowercased() == "chunked" }) {
            self = .chunked
        } else {
            self = head.headers.contains(name: "content-length") ? .contentLength : .untilClose
        }
    }
}
