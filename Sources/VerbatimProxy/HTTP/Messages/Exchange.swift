import VerbatimJSON
import NIOCore
import NIOHTTP1

/// What is done with one request of an agent. All calls come on the connection's event loop.
protocol Exchange: AnyObject {
    /// The request's head has been read; called once, first.
    func start()
    func receive(body: ByteBuffer)
    func receiveEnd()
    /// All that has arrived in one go has been told.
    func agentDidPause()
    /// The rest of the request cannot be read; `reply` says why. The connection is closed behind the answer.
    func requestDidBreak(_ reply: ErrorReply)
    /// Whether more of the request's body is wanted now.
    var wantsBody: Bool { get }
    /// Whether the request's body must come within a time of its own.
    var limitsBodyTime: Bool { get }
    /// The agent's connection is gone; nothing can be sent any more.
    func agentDidClose()
    /// The agent will send nothing more; it may be gone, or wait for its reply.
    func agentDidHalfClose()
    func agentWritabilityChanged()
    /// The connection will be closed behind the reply.
    func willClose()
    /// The proxy's time is up: end the exchange now.
    func cutOff()
}

/// An agent's request as its exchange sees it.
struct ProxyRequest {
    /// Without the proxy's own keys, once the request has been admitted.
    var head: HTTPRequestHead
    /// As it came, without the query.
    let receivedPath: String
    /// The path without what names a session.
    let path: String
    let query: Substring?
    /// The session that is named by the agent's key, else by the path or else by ``AgentHeaders/named``, unchecked.
    var namedSession: String?
    /// Whether the request is one of Anthropic's API: `/v1/messages` and below, with or without `/v1`.
    let isAnthropic: Bool
    /// Whether its key lets it write to ``namedSession`` and to no other.
    var isBound = false

    /// - Returns: `nil` if the target is neither a path nor a URL.
    init?(_ head: HTTPRequestHead) {
        self.head = head
        var target = head.uri[...]
        if target.utf8.first != UInt8(ascii: "/") && !(target == "*" && head.method == .OPTIONS) {
            // The absolute form, as agents send it that take the proxy for a forward proxy: only the path counts.
            guard target.hasPrefix("http://") || target.hasPrefix("https://"),
                let scheme = target.firstRange(ofText: "://")
            else { return nil }
            let rest = target[scheme.upperBound...]
            let end = rest.utf8.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
            let isPath = end < rest.endIndex && rest.utf8[end] == UInt8(ascii: "/")
            target = isPath ? rest[end...] : "/" + rest[end...]
        }
        let mark = target.utf8.firstIndex(of: UInt8(ascii: "?"))
        receivedPath = String(target[..<(mark ?? target.endIndex)])
        query = mark.map { target[target.utf8.index(after: $0)...] }
        let sessionPath = SessionPath(receivedPath)
        path = sessionPath.path
        isAnthropic = Self.isAnthropic(path)
        let names = head.headers[AgentHeaders.named]
        // Several names are no name; together they break the rule.
        namedSession = sessionPath.id ?? (names.isEmpty ? nil : names.joined(separator: ", "))
    }

    private static func isAnthropic(_ path: String) -> Bool {
        let path = PathSpelling(path).plain.lowercased()
        let route = path.hasPrefix("/v1/") ? path.dropFirst(3) : path[...]
        return route == "/messages" || route.hasPrefix("/messages/")
    }

    var outputRequest: ResponseWriter.Request {
        ResponseWriter.Request(
            isHead: head.method == .HEAD,
            takesChunks: head.version.major == 1 && head.version.minor >= 1,
            keepsAlive: head.isKeepAlive && !head.headers.contains(name: "upgrade"),
            errorForm: isAnthropic ? .anthropic : .openAI
        )
    }

    var hasBody: Bool {
        head.headers.contains(name: "transfer-encoding")
            || bodyLength ?? 0 > 0
    }

    /// What `Content-Length` says; `nil` if there is none.
    var bodyLength: Int? {
        let name = "content-length"
        if let length = head.headers.first(name: name).flatMap({ Int($0) }) { return length }
        // The parser lets digits through only, with space around them; more than fit are too many.
        return head.headers[canonicalForm: name].first.map { Int($0) ?? .max }
    }

    var expectsContinue: Bool {
        head.version != .http1_0
            && head.headers[canonicalForm: "expect"].contains { $0.lowercased() == "100-continue" }
    }
}
