package import VerbatimHTTP
import VerbatimJSON
import VerbatimPlatform

/// Where the engine is, and how an agent's path maps to the engine's.
package struct UpstreamURL: Hashable, Sendable {
    package struct Invalid: Error, CustomStringConvertible {
        package let description: String
    }

    package let address: UpstreamAddress
    /// Replaces `/v1`; without a trailing slash.
    package let basePath: String
    /// Sent with every request; empty if there is none.
    package let query: String

    /// Reads `http[s]://host[:port][/path][?query]`.
    package init(_ text: String) throws(Invalid) {
        func fail(_ reason: String) -> Invalid {
            Invalid(description: "\(reason): expected a URL such as http://127.0.0.1:8000/v1")
        }
        guard let scheme = text.firstRange(ofText: "://") else { throw fail("the upstream URL has no scheme") }
        let isTLS: Bool
        switch text[..<scheme.lowerBound].lowercased() {
        case "http": isTLS = false
        case "https": isTLS = true
        default: throw fail("the upstream URL must begin with http:// or https://")
        }
        let rest = text[scheme.upperBound...].prefix { $0 != "#" }
        guard rest.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw fail("the upstream URL holds a space or a character that must be percent-encoded")
        }
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        if authority.contains("@") { throw fail("the upstream URL must not hold credentials; use the API key setting") }
        guard let (host, port) = Self.split(authority) else {
            throw fail("the upstream URL has no valid host and port")
        }
        address = UpstreamAddress(
            isTLS: isTLS, host: host, port: port ?? (isTLS ? 443 : 80), authority: String(authority))
        let target = rest[authority.endIndex...]
        var path = target.prefix { $0 != "?" }
        query = String(target[path.endIndex...].dropFirst())
        while path.last == "/" { path = path.dropLast() }
        basePath = path.isEmpty ? "/v1" : String(path)
    }

    /// Host and port of `host`, `host:port`, `[v6]` or `[v6]:port`.
    static func split(_ authority: Substring) -> (host: String, port: Int?)? {
        var host = authority
        var port: Int?
        let afterHost: Substring
        if authority.first == "[" {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            host = authority[authority.index(after: authority.startIndex)..<end]
            afterHost = authority[authority.index(after: end)...]
        } else {
            host = authority.prefix { $0 != ":" }
            afterHost = authority[host.endIndex...]
        }
        if !afterHost.isEmpty {
            guard afterHost.first == ":", let number = Int(afterHost.dropFirst()), 1...65535 ~= number else {
                return nil
            }
            port = number
        }
        return host.isEmpty ? nil : (String(host), port)
    }

    /// The engine's target for an agent's `path` (no query) and `query`.
    ///
    /// A path below `/v1` goes below the base path; any other path is the same at the engine.
    package func target(path: String, query agentQuery: Substring?) -> String {
        let target = self.path(for: path)
        guard let agentQuery else { return query.isEmpty ? target : target + "?" + query }
        return target + "?" + query + (query.isEmpty || agentQuery.isEmpty ? "" : "&") + agentQuery
    }

    /// The engine's path for an agent's.
    func path(for path: String) -> String {
        path == "/v1" || path.hasPrefix("/v1/") ? basePath + path.dropFirst(3) : path
    }
}
