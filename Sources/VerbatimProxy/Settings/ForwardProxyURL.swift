package import VerbatimHTTP
import VerbatimPlatform

/// Reads the URL of a forward proxy. It may hold a password, which no error repeats.
package enum ForwardProxyURL {
    /// Reads `http://[user:password@]host:port`.
    package static func proxy(_ text: String) throws(UpstreamURL.Invalid) -> ForwardProxy {
        let invalid = UpstreamURL.Invalid(description: "expected a URL such as http://proxy.example:3128")
        let scheme = "http://"
        guard text.lowercased().hasPrefix(scheme) else { throw invalid }
        var rest = text.dropFirst(scheme.count)
        var authorization: String?
        if let at = rest.lastIndex(of: "@") {
            let user = PercentEncoding.decoded(Array(rest[..<at].utf8))
            authorization = "Basic " + base64(user)
            rest = rest[rest.index(after: at)...]
        }
        while rest.last == "/" { rest.removeLast() }
        guard !rest.contains(where: { "/?#".contains($0) }) else { throw invalid }
        do {
            let address = try UpstreamURL(scheme + rest).address
            return ForwardProxy(host: address.host, port: address.port, authorization: authorization)
        } catch {
            throw invalid
        }
    }

    /// RFC 4648 §4.
    static func base64(_ bytes: [UInt8]) -> String {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            var four: [UInt8] = []
            for _ in 0..<4 {
                four.insert(letters[bits & 63], at: 0)
                bits >>= 6
            }
            for index in four.indices where index > group.count { four[index] = UInt8(ascii: "=") }
            text += four
        }
        return String(decoding: text, as: UTF8.self)
    }
}
