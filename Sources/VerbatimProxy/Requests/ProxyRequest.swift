package import NIOHTTP1
package import VerbatimHTTP

/// An agent's request as its exchange sees it.
package struct ProxyRequest {
    /// Without the proxy's own keys, once the request has been authorized.
    package var head: HTTPRequestHead
    /// As received, without the query.
    package let receivedPath: String
    /// The path without the prefix that names a session.
    package let path: String
    package let query: Substring?
    /// The session named by the agent's key, else by the path, else by ``AgentHeaders/named``. Not validated.
    package var namedSession: String?
    /// Whether the request belongs to Anthropic's API: `/v1/messages` and below, with or without `/v1`.
    package let isAnthropic: Bool
    /// Whether the key restricts the request to ``namedSession``.
    package var isBound = false

    package init(_ head: HTTPRequestHead, target: RequestTarget) {
        self.head = head
        receivedPath = target.path
        query = target.query
        let sessionPath = SessionPath(receivedPath)
        path = sessionPath.path
        isAnthropic = Self.isAnthropic(path)
        let names = head.headers[AgentHeaders.named]
        // Several names together break the rule for session ids, so that the request is refused.
        namedSession = sessionPath.id ?? (names.isEmpty ? nil : names.joined(separator: ", "))
    }

    private static func isAnthropic(_ path: String) -> Bool {
        let path = PathSpelling(path).plain.lowercased()
        let route = path.utf8.starts(with: "/v1/".utf8) ? path.utf8.dropFirst(3) : path.utf8[...]
        return route.elementsEqual("/messages".utf8) || route.starts(with: "/messages/".utf8)
    }

    /// Whose quota a session counts against that the request begins. Only after the request has been authorized.
    var sessionOwner: SessionQuota.Owner {
        if isBound, let namedSession { .key(boundTo: namedSession) } else { .unbound }
    }

    /// The session that the key restricts the request to.
    var boundSession: String? { isBound ? namedSession : nil }

    /// What the request says about its response.
    package var responseRequest: ResponseWriter.Request {
        ResponseWriter.Request(head, errorFormat: isAnthropic ? .anthropic : .openAI)
    }
}
