import NIOCore
import NIOHTTP1
import VerbatimHTTP
import VerbatimPlatform

/// Rewrites what a reply's `Location` and `Content-Location` say about the engine: an agent that followed the engine's
/// own address would leave the proxy.
struct EngineReferences {
    private static let names = ["location", "content-location"]

    private let upstream: UpstreamURL
    private let request: ProxyRequest

    init(to upstream: UpstreamURL, in request: ProxyRequest) {
        self.upstream = upstream
        self.request = request
    }

    /// The part of the request's path that names a session; mostly empty.
    private var sessionPrefix: Substring {
        let received = request.receivedPath
        return received.hasSuffix(request.path) ? received.dropLast(request.path.count) : ""
    }

    /// The engine's headers, in their order and case, as the agent gets them.
    func rewritten(_ headers: HTTPHeaders) -> HTTPHeaders {
        guard Self.names.contains(where: { headers.contains(name: $0) }) else { return headers }
        return HTTPHeaders(
            headers.map { name, value in
                let isReference = Self.names.contains(name.lowercased())
                return (name, isReference ? rewritten(reference: value) ?? value : value)
            })
    }

    /// The path as the agent sees it, for a URL or a path of the engine; nil for any other reference.
    func rewritten(reference: String) -> String? {
        var rest = reference[...]
        while rest.first == " " || rest.first == "\t" { rest = rest.dropFirst() }
        var isTLS = upstream.address.isTLS
        if let scheme = ["http:", "https:"].first(where: { rest.prefix($0.count).lowercased() == $0 }) {
            isTLS = scheme == "https:"
            rest = rest.dropFirst(scheme.count)
            guard rest.hasPrefix("//") else { return nil }
        } else if !rest.hasPrefix("//") {
            return rest.hasPrefix("/") ? agentTarget(rest) : nil
        }
        rest = rest.dropFirst(2)
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard isEngine(authority, isTLS: isTLS) else { return nil }
        let target = rest[authority.endIndex...]
        return agentTarget(target.hasPrefix("/") ? target : "/" + target)
    }

    // MARK: The authority

    private func isEngine(_ authority: Substring, isTLS: Bool) -> Bool {
        let address = upstream.address
        // Credentials say nothing about where it is.
        var authority = authority[
            (authority.lastIndex(of: "@").map(authority.index(after:)) ?? authority.startIndex)...]
        if authority.last == ":" { authority = authority.dropLast() }
        guard let (host, named) = UpstreamURL.split(authority) else { return false }
        func usualPort(_ isTLS: Bool) -> Int { isTLS ? 443 : 80 }
        let port = named ?? usualPort(isTLS)
        let isSamePort = port == address.port && isTLS == address.isTLS
        // A server behind one that terminates TLS takes itself for one of plain HTTP.
        let areUsualPorts = port == usualPort(isTLS) && address.port == usualPort(address.isTLS)
        return (isSamePort || areUsualPorts) && Self.areSame(host, address.host)
    }

    private static func areSame(_ host: String, _ other: String) -> Bool {
        let names = [host, other].map { name in
            let name = String(decoding: PercentEncoding.decoded(Array(name.utf8)), as: UTF8.self).lowercased()
            return name.last == "." ? String(name.dropLast()) : name
        }
        if names[0] == names[1] { return true }
        let addresses = names.map { try? SocketAddress(ipAddress: $0, port: 0) }
        if let address = addresses[0], address == addresses[1] { return true }
        return names.allSatisfy { ["localhost", "127.0.0.1", "::1"].contains($0) }
    }

    // MARK: The path

    /// - Parameter target: A path of the engine, with query and fragment.
    private func agentTarget(_ target: Substring) -> String {
        let path = target.prefix { $0 != "?" && $0 != "#" }
        return agentPath(path) + withoutOwnQuery(target[path.endIndex...])
    }

    private func agentPath(_ path: Substring) -> String {
        let base = upstream.basePath
        guard path.hasPrefix(base), case let rest = path.dropFirst(base.count), rest.isEmpty || rest.hasPrefix("/")
        else { return String(path) }
        return sessionPrefix + "/v1" + rest
    }

    /// The query without that of the upstream's URL, which is sent with every request and may hold a key.
    private func withoutOwnQuery(_ suffix: Substring) -> String {
        let own = "?" + upstream.query
        guard !upstream.query.isEmpty, suffix.hasPrefix(own) else { return String(suffix) }
        let rest = suffix.dropFirst(own.count)
        switch rest.first {
        case nil, "#": return String(rest)
        case "&": return "?" + rest.dropFirst()
        default: return String(suffix)
        }
    }
}
