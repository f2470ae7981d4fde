import NIOHTTP1

/// What is asked of a request's head beyond what NIO's parser asks, so that nobody on its way can read it differently.
///
/// The parser itself refuses `Content-Length` beside `Transfer-Encoding` or twice, folded lines, bare CR or LF, white
/// space before a colon, control characters, and chunks that are none.
enum RequestRules {
    /// Why the request cannot be served; the connection is closed behind that answer.
    static func refusal(of head: HTTPRequestHead) -> ErrorReply? {
        if head.method == .CONNECT || head.method == .TRACE {
            // TRACE would show the agent the engine's key.
            return .notImplemented("\(head.method.rawValue) is not served: this is a proxy for one engine")
        }
        if head.uri.utf8.contains(UInt8(ascii: "#")) {
            return .badRequest("the request target must not have a fragment")
        }
        return refusalOfHost(head) ?? refusalOfCoding(head) ?? refusalOfExpectation(head)
    }

    /// RFC 9112 §3.2
    private static func refusalOfHost(_ head: HTTPRequestHead) -> ErrorReply? {
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

    /// RFC 9112 §6.1: a body that is coded in other ways than in chunks cannot be read, and HTTP/1.0 knows no chunks.
    private static func refusalOfCoding(_ head: HTTPRequestHead) -> ErrorReply? {
        let codings = head.headers["transfer-encoding"]
        if codings.isEmpty { return nil }
        if head.version.minor == 0 { return .badRequest("HTTP/1.0 has no Transfer-Encoding") }
        if codings.count == 1, codings[0].lowercased() == "chunked" { return nil }
        let names = codings.joined(separator: ",").split(separator: ",", omittingEmptySubsequences: false)
            .map { $0.drop { $0 == " " || $0 == "\t" }.lowercased() }
        if names.last == "chunked", names.filter({ $0 == "chunked" }).count == 1, !names.contains("") {
            return .notImplemented("the only transfer coding that is understood is chunked")
        }
        return .badRequest("the Transfer-Encoding is not valid")
    }

    /// RFC 9110 §10.1.1
    private static func refusalOfExpectation(_ head: HTTPRequestHead) -> ErrorReply? {
        let isMet = head.headers[canonicalForm: "expect"].allSatisfy {
            $0.lowercased() == "100-continue" || $0.isEmpty
        }
        return isMet || head.version.minor == 0 ? nil : .expectationFailed
    }
}
