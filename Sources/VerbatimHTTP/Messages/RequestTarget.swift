package import NIOHTTP1

/// The target of a request (RFC 9112 §3.2), reduced to path and query.
package struct RequestTarget: Equatable, Sendable {
    /// Begins with `/`, or is `*` for OPTIONS.
    package let path: String
    /// Without the question mark; `nil` if there is none.
    package let query: Substring?

    /// - Returns: `nil` if the target is neither a path nor a URL with `http:` or `https:`.
    package init?(_ head: HTTPRequestHead) {
        var target = head.uri[...]
        if target.utf8.first != UInt8(ascii: "/") && !(target == "*" && head.method == .OPTIONS) {
            // Clients that take this server for a forward proxy send the absolute form; only its path counts.
            let schemes = ["http://", "https://"]
            guard let scheme = schemes.first(where: { target.hasPrefix($0) }) else { return nil }
            let rest = target.dropFirst(scheme.count)
            let end = rest.utf8.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
            let isPath = end < rest.endIndex && rest.utf8[end] == UInt8(ascii: "/")
            target = isPath ? rest[end...] : "/" + rest[end...]
        }
        let mark = target.utf8.firstIndex(of: UInt8(ascii: "?"))
        path = String(target[..<(mark ?? target.endIndex)])
        query = mark.map { target[target.utf8.index(after: $0)...] }
    }
}

extension HTTPHeaders {
    /// The value of `Content-Length`; nil if the field is absent or not a number below 2⁶³.
    package var contentLength: Int? {
        guard let value = first(name: "content-length") else { return nil }
        // The parser leaves white space around a value.
        let digits = value.utf8.contains { $0 <= 0x20 } ? value.filter { $0 != " " && $0 != "\t" } : value
        return digits.utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 } ? Int(digits) : nil
    }
}

extension HTTPRequestHead {
    package var hasBody: Bool { headers.contains(name: "transfer-encoding") || bodyLength ?? 0 > 0 }

    /// The value of `Content-Length`; `nil` if there is none.
    package var bodyLength: Int? { headers.contentLength }

    package var expectsContinue: Bool {
        version != .http1_0 && headers[canonicalForm: "expect"].contains { $0.lowercased() == "100-continue" }
    }
}
