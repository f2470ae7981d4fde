import NIOHTTP1
import VerbatimTrace

/// Whose turn a request is.
///
/// The session is the one that was named by path or header, else the one the agent says in a header, else in the body,
/// else `default`. The turns of a sub-agent are no part of its parent's conversation, so it gets a session of its own
/// even if both share a named one.
struct SessionIdentity: Hashable, Sendable {
    let session: String
    /// The session of the agent that started this one.
    let parent: String?
    /// Whether the agent sent an id that is none, which was passed over.
    let hasUnusableID: Bool

    init(session: String, parent: String? = nil, hasUnusableID: Bool = false) {
        self.session = session
        self.parent = parent
        self.hasUnusableID = hasUnusableID
    }

    /// - Parameters:
    ///   - named: The id by key, path or ``AgentHeaders/named``, if there is one; valid.
    ///   - isBound: Whether the agent must not speak of sessions that are not within `named`, not even as its parent.
    init(named: String?, isBound: Bool = false, headers: HTTPHeaders, fields: SessionFields) {
        var search = Search(named: named, headers: headers, fields: fields)
        let place = search.place()
        session = place.session
        parent = isBound ? place.parent.flatMap { Self.isWithin(named, $0) ? $0 : nil } : place.parent
        hasUnusableID = search.hasUnusableID
    }

    /// Whether `session` is `root` or belongs to one of its sub-agents.
    static func isWithin(_ root: String?, _ session: String) -> Bool {
        root.map { session == $0 || session.hasPrefix("\($0):") } ?? false
    }

    /// What the record says of it.
    var problems: [String] { hasUnusableID ? [ProblemCode.sessionIDUnusable] : [] }
}

private struct Search {
    let named: String?
    let headers: HTTPHeaders
    let fields: SessionFields
    var hasUnusableID = false

    mutating func place() -> (session: String, parent: String?) {
        if headers.contains(name: AgentHeaders.ClaudeCode.agent) { return claudeCodeAgent() }
        if headers.contains(name: AgentHeaders.Codex.parentThread) { return codexThread() }
        guard let parent = header(AgentHeaders.parentSession) ?? usable(fields.parent) else {
            return (named ?? own() ?? TurnNumbers.defaultSession, nil)
        }
        return subAgent(own(), of: parent, main: parent)
    }

    private mutating func claudeCodeAgent() -> (session: String, parent: String?) {
        let main = named ?? own() ?? TurnNumbers.defaultSession
        guard let session = header(AgentHeaders.ClaudeCode.agent, within: main) else { return (main, nil) }
        return (session, header(AgentHeaders.ClaudeCode.parentAgent, within: main) ?? main)
    }

    private mutating func codexThread() -> (session: String, parent: String?) {
        let parent = header(AgentHeaders.Codex.parentThread)
        let thread = header(AgentHeaders.Codex.thread) ?? own()
        return subAgent(thread, of: parent, main: header(AgentHeaders.Codex.session) ?? parent)
    }

    /// - Parameter main: The agent at the root, if it is known. In a named session its turns stand under the name itself.
    private mutating func subAgent(
        _ own: String?, of parent: String?, main: String?
    ) -> (session: String, parent: String?) {
        guard let named else {
            let session = own ?? TurnNumbers.defaultSession
            return (session, parent == session ? nil : parent)
        }
        guard let own, own != named, let session = usable("\(named):\(own)") else {
            return (named, parent == named ? nil : parent)
        }
        guard let parent, parent != main else { return (session, named) }
        return (session, usable("\(named):\(parent)") ?? named)
    }

    /// The session by which the agent itself knows it.
    private mutating func own() -> String? {
        for name in AgentHeaders.sessions {
            if let id = header(name) { return id }
        }
        for claim in fields.sessions {
            if let id = usable(claim) { return id }
        }
        return nil
    }

    private mutating func header(_ name: String) -> String? { usable(headers.first(name: name)) }

    /// `session:value`
    private mutating func header(_ name: String, within session: String) -> String? {
        header(name).flatMap { usable("\(session):\($0)") }
    }

    private mutating func usable(_ id: String?) -> String? {
        guard let id else { return nil }
        if SessionID.isValid(id) { return id }
        hasUnusableID = true
        return nil
    }
}
