import NIOHTTP1
import VerbatimHTTP

/// The headers of a request to the engine.
enum EngineHeaders {
    /// Names, in lower case, that are not forwarded: `Expect` has been met, and the session's name is for the proxy
    /// only.
    private static let dropped = ["expect", AgentHeaders.named.lowercased()]

    /// The agent's headers in their order and case, with `Host`, credentials, encoding and framing replaced in place.
    ///
    /// - Parameters:
    ///   - apiKey: Replaces the agent's credentials; `nil` leaves them.
    ///   - acceptsIdentityOnly: Whether the reply must not be compressed, because it is read.
    ///   - bodyLength: `nil` leaves the framing as it is.
    static func make(
        for request: ProxyRequest, authority: String, apiKey: String?, acceptsIdentityOnly: Bool, bodyLength: Int?
    ) -> HTTPHeaders {
        let headers = request.head.headers
        var replacements = [HeaderRules.Replacement("Host", authority)]
        if let apiKey { replacements += credentials(apiKey, replacing: headers, isAnthropic: request.isAnthropic) }
        if acceptsIdentityOnly { replacements.append(HeaderRules.Replacement("Accept-Encoding", "identity")) }
        if let bodyLength { replacements.append(HeaderRules.Replacement("Content-Length", String(bodyLength))) }
        return HeaderRules.forwarded(
            headers, replacements: replacements, dropped: dropped, keepsFraming: bodyLength == nil)
    }

    /// The key in each header that the agent used for its own, because engines read the one that their API names; in
    /// the API's own if the agent used none.
    private static func credentials(
        _ key: String, replacing headers: HTTPHeaders, isAnthropic: Bool
    ) -> [HeaderRules.Replacement] {
        let bearer = HeaderRules.Replacement("Authorization", "Bearer \(key)")
        let anthropic = HeaderRules.Replacement("x-api-key", key)
        let azure = HeaderRules.Replacement("api-key", key)
        let used = [bearer, anthropic, azure].filter { headers.contains(name: $0.name) }
        return used.isEmpty ? [isAnthropic ? anthropic : bearer] : used
    }
}
