import NIOHTTP1

/// Which headers cross the proxy, and how.
enum HeaderRules {
    /// RFC 9110 §7.6.1 and what older implementations add. All lower case.
    private static let hopByHop = [
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade", "http2-settings",
    ]

    /// What ends here: the expectation has been answered, and the session's name is for the proxy alone.
    private static let ownToProxy = ["expect", AgentHeaders.named.lowercased()]

    /// The agent's headers as the engine gets them: in their order and case, with `Host`, credentials, encoding and
    /// framing replaced in place. Of several headers with a name that is replaced, only the first is left.
    ///
    /// - Parameters:
    ///   - apiKey: Takes the place of the agent's credentials; `nil` leaves them.
    ///   - isAnthropic: Whether the request is one of Anthropic's API.
    ///   - bodyLength: `nil` leaves the framing as it is.
    static func forEngine(
        _ headers: HTTPHeaders, authority: String, apiKey: String?, isAnthropic: Bool, acceptsIdentityOnly: Bool,
        bodyLength: Int?
    ) -> HTTPHeaders {
        var replacements: [(name: String, value: String)] = [("Host", authority)]
        if let apiKey { replacements += credentials(apiKey, insteadOf: headers, isAnthropic: isAnthropic) }
        if acceptsIdentityOnly { replacements.append(("Accept-Encoding", "identity")) }
        if let bodyLength { replacements.append(("Content-Length", String(bodyLength))) }
        // Those that come first are replaced, the others dropped.
        let replaced = replacements.map { $0.name.lowercased() }
        var isPlaced = replaced.map { _ in false }

        var named = namedByConnection(headers)
        // Whatever the parser lets through: a message is framed in one way only.
        if bodyLength == nil && headers.contains(name: "transfer-encoding") { named.insert("content-length") }
        // The headers that come were looked at by the parser; `add` would look at each again.
        var result: [(String, String)] = []
        result.reserveCapacity(headers.count + replacements.count)
        for (name, value) in headers {
            let lowercased = name.lowercased()
            if hopByHop.holds(lowercased) || named.contains(lowercased) || ownToProxy.holds(lowercased) { continue }
            if let index = replaced.firstIndex(of: lowercased) {
                if !isPlaced[index] { result.append((name, replacements[index].value)) }
                isPlaced[index] = true
            } else {
                result.append((name, value))
            }
        }
        for (index, replacement) in replacements.enumerated() where !isPlaced[index] {
            result.append((replacement.name, replacement.value))
        }
        return HTTPHeaders(result)
    }

    /// The key in each header that the agent used for its own, since engines look into the one that their API names; in
    /// the API's own if it used none.
    private static func credentials(
        _ key: String, insteadOf headers: HTTPHeaders, isAnthropic: Bool
    ) -> [(name: String, value: String)] {
        let bearer = (name: "Authorization", value: "Bearer \(key)")
        let anthropic = (name: "x-api-key", value: key)
        let azure = (name: "api-key", value: key)
        let used = [bearer, anthropic, azure].filter { headers.contains(name: $0.name) }
        return used.isEmpty ? [isAnthropic ? anthropic : bearer] : used
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
        var result: [(String, String)] = []
        result.reserveCapacity(headers.count + 2)
        for (name, value) in headers {
            let lowercased = name.lowercased()
            if hopByHop.holds(lowercased) || named.contains(lowercased) { continue }
            guard lowercased == "content-length" else {
                result.append((name, value))
                continue
            }
            switch length {
            case .keep: result.append((name, value))
            case .replace(let count): result.append((name, String(count)))
            case .remove: break
            }
        }
        return HTTPHeaders(result)
    }

    /// What `Connection` names, but for what frames the message: nobody may take that away on the way. An agent may so
    /// take its own credentials away, but not the key that the proxy adds, nor its session's name from the proxy.
    private static func namedByConnection(_ headers: HTTPHeaders) -> Set<String> {
        let named = headers[canonicalForm: "connection"]
        return named.isEmpty ? [] : Set(named.map { $0.lowercased() }).subtracting(["content-length"])
    }
}

extension [String] {
    /// Whether `name` is one of them. Mostly the length tells, and costs less than a hash.
    fileprivate func holds(_ name: String) -> Bool {
        contains { $0.utf8.count == name.utf8.count && $0 == name }
    }
}

extension HTTPHeaders {
    /// White space behind a value is no part of it (RFC 9112 §5), but the parser leaves it there. What frames the message
    /// stays as it came: others may read it differently.
    mutating func dropTrailingSpace() {
        func isSpace(_ byte: UInt8?) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        guard contains(where: { isSpace($0.value.utf8.last) }) else { return }
        self = HTTPHeaders(
            map { name, value in
                if ["content-length", "transfer-encoding"].contains(name.lowercased()) { return (name, value) }
                let end = value.utf8.lastIndex { !isSpace($0) }.map { value.utf8.index(after: $0) }
                return (name, String(value[..<(end ?? value.startIndex)]))
            })
    }
}
