package import NIOHTTP1

/// What a request's head must fulfil beyond what NIO's parser checks, so that no other server can read it differently.
///
/// The parser itself refuses `Content-Length` beside `Transfer-Encoding` or twice, folded lines, bare CR or LF, white
/// space before a colon, control characters, and malformed chunks.
package enum RequestRules {
    /// Returns why the request cannot be served, or `nil`. How a refused request is framed cannot be relied upon, so
    /// that its connection closes after the response.
    package static func refusal(of head: HTTPRequestHead) -> ErrorResponse? {
        if head.method == .CONNECT || head.method == .TRACE {
            // TRACE would show the client the key that is added for the upstream.
            return .notImplemented("the method \(head.method.rawValue) is not supported")
        }
        if head.uri.utf8.contains(UInt8(ascii: "#")) {
            return .badRequest("the request target must not have a fragment")
        }
        if head.headers.contains(name: "content-length") && head.bodyLength == nil {
            return .badRequest("the Content-Length is not a number below 2^63")
        }
        return refusalOfHost(head) ?? refusalOfCoding(head) ?? refusalOfExpectation(head)
    }

    /// RFC 9112 §3.2
    private static func refusalOfHost(_ head: HTTPRequestHead) -> ErrorResponse? {
        let hosts = head.headers["host"]
        if hosts.count > 1 { return .badRequest("the request has several Host headers") }
        guard let host = hosts.first else {
            return head.version == .http1_0 ? nil : .badRequest("the request has no Host header")
        }
        let isValid = host.utf8.allSatisfy { byte in
            switch byte {
            case 0...0x20, 0x7F..., UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#"), UInt8(ascii: "@"),
                UInt8(ascii: ","), UInt8(ascii: "\\"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\""):
                false
            default: true
            }
        }
        return isValid ? nil : .badRequest("the Host header is not valid")
    }

    /// RFC 9112 §6.1: `chunked` is the only coding that can be read, and HTTP/1.0 has no chunks.
    private static func refusalOfCoding(_ head: HTTPRequestHead) -> ErrorResponse? {
        let codings = head.headers["transfer-encoding"]
        if codings.isEmpty { return nil }
        if head.version.minor == 0 { return .badRequest("HTTP/1.0 has no Transfer-Encoding") }
        if codings.count == 1, codings[0].lowercased() == "chunked" { return nil }
        let names = codings.joined(separator: ",").split(separator: ",", omittingEmptySubsequences: false)
            .map { $0.drop { $0 == " " || $0 == "\t" }.lowercased() }
        if names.last == "chunked", names.filter({ $0 == "chunked" }).count == 1, !names.contains("") {
            return .notImplemented("chunked is the only supported transfer coding")
        }
        return .badRequest("the Transfer-Encoding is not valid")
    }

    /// RFC 9110 §10.1.1
    private static func refusalOfExpectation(_ head: HTTPRequestHead) -> ErrorResponse? {
        let isMet = head.headers[canonicalForm: "expect"].allSatisfy {
            $0.lowercased() == "100-continue" || $0.isEmpty
        }
        return isMet || head.version.minor == 0 ? nil : .expectationFailed
    }
}
