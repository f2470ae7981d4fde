import NIOHTTP1

/// Which headers cross the proxy, and how.
enum HeaderRules {
    /// RFC 9110 §7.6.1 and what older implementations add. All lower case.
    private static let hopByHop: Set<String> = [
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade",
    ]

    /// What ends here: the expectation has been answered, and the session's name is for the proxy alone.
    private static let ownToProxy: Set<String> = ["expect", AgentHeaders.named.lowercased()]

    /// The agent's headers as the engine gets them: in their order and case, with `Host`, credentials, encoding and
    /// framing replaced in place.
    static func forEngine(
        _ headers: HTTPHeaders, authority: String, apiKey: String?, acceptsIdentityOnly: Bool, bodyLength: Int?
    ) -> HTTPHeaders {
        var replacements: [(name: String, value: String)] = [("Host", authority)]
        if let apiKey { replacements.append(("Authorization", "Bearer \(apiKey)")) }
        if acceptsIdentityOnly { replacements.append(("Accept-Encoding", "identity")) }
        if let bodyLength { replacements.append(("Content-Length", String(bodyLength))) }

        let named = namedByConnection(headers)
        var result = HTTPHeaders()
        result.reserveCapacity(headers.count + replacements.count)
        for (name, value) in headers {
            let lowercased = name.lowercased()
            if hopByHop.contains(lowercased) || named.contains(lowercased) || ownToProxy.contains(lowercased) {
                continue
            }
            if let index = replacements.firstIndex(where: { $0.name.lowercased() == lowercased }) {
                let replacement = replacements.remove(at: index)
                result.add(name: name, value: replacement.value)
            } else if isReplaced(lowercased, apiKey: apiKey, identity: acceptsIdentityOnly, length: bodyLength) {
                continue
            } else {
                result.add(name: name, value: value)
            }
        }
        for replacement in replacements { result.add(name: replacement.name, value: replacement.value) }
        return result
    }

    /// Whether further headers of this name must not follow the one that was replaced.
    private static func isReplaced(_ name: String, apiKey: String?, identity: Bool, length: Int?) -> Bool {
        switch name {
        case "host": true
        case "authorization": apiKey != nil
        case "accept-encoding": identity
        case "content-length": length != nil
        default: false
        }
    }

    /// How a reply's headers change on the way to the agent.
    enum LengthRule {
        /// `Content-Length` stays as it is.
        case keep
        /// The body was edited.
        case replace(Int)
        /// The body goes out in chunks.
        case remove
    }

    /// The engine's headers as the agent gets them: in their order and case, without hop-by-hop ones.
    static func forAgent(_ headers: HTTPHeaders, length: LengthRule) -> HTTPHeaders {
        let named = namedByConnection(headers)
        var result = HTTPHeaders()
        result.reserveCapacity(headers.count + 2)
        for (name, value) in headers {
            let lowercased = name.lowercased()
            if hopByHop.contains(lowercased) || named.contains(lowercased) { continue }
            guard lowercased == "content-length" else {
                result.add(name: name, value: value)
                continue
            }
            switch length {
            case .keep: result.add(name: name, value: value)
            case .replace(let count): result.add(name: name, value: String(count))
            case .remove: break
            }
        }
        return result
    }

    /// What `Connection` names, but for what frames the message: nobody may take that away on the way.
    private static func namedByConnection(_ headers: HTTPHeaders) -> Set<String> {
        let named = headers[canonicalForm: "connection"]
        return named.isEmpty ? [] : Set(named.map { $0.lowercased() }).subtracting(["content-length"])
    }
}
