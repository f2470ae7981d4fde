import NIOHTTP1
import VerbatimSchema
import VerbatimTrace

/// The session of a request, and its parent session.
///
/// The session is the one named by path or header, else the one that the agent sends in a header, else in the body,
/// else `default`. A sub-agent's turns are not part of its parent's conversation, so that it gets a session of its own
/// even if both share a named one.
struct SessionIdentity: Hashable, Sendable {
    let session: String
    /// The session of the agent that started this one.
    let parent: String?
    /// Whether the agent sent an invalid id, which was ignored.
    let hasUnusableID: Bool

    init(session: String, parent: String? = nil, hasUnusableID: Bool = false) {
        self.session = session
        self.parent = parent
        self.hasUnusableID = hasUnusableID
    }

    /// - Parameters:
    ///   - named: The id by key, path or ``AgentHeaders/named``, if there is one; valid.
    ///   - isBound: Whether the parent, too, must be within `named`.
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

    /// The session whose findings about the engine a turn shares: an agent must not speak for others through its
    /// sub-agents.
    ///
    /// - Parameter bound: The session that the agent's key is bound to.
    func origin(boundTo bound: String?) -> String { bound ?? parent ?? session }

    /// What the sink tells the rollout from.
    ///
    /// - Parameter named: The id by key, path or header, if there is one: that of the root session.
    func place(in named: String?) -> SessionPlace { SessionPlace(session: session, parent: parent, root: named) }

    /// Problem codes for the record.
    var problems: [ProblemCode] { hasUnusableID ? [ProblemCode.sessionIDUnusable] : [] }
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
            return (named ?? own() ?? RecordSchema.defaultSession, nil)
        }
        return subAgent(own(), of: parent, main: parent)
    }

    private mutating func claudeCodeAgent() -> (session: String, parent: String?) {
        let main = named ?? own() ?? RecordSchema.defaultSession
        guard let session = header(AgentHeaders.ClaudeCode.agent, within: main) else { return (main, nil) }
        return (session, header(AgentHeaders.ClaudeCode.parentAgent, within: main) ?? main)
    }

    private mutating func codexThread() -> (session: String, parent: String?) {
        let parent = header(AgentHeaders.Codex.parentThread)
        let thread = header(AgentHeaders.Codex.thread) ?? own()
        return subAgent(thread, of: parent, main: header(AgentHeaders.Codex.session) ?? parent)
    }

    /// - Parameter main: The root agent, if it is known. In a named session its turns get the name itself.
    private mutating func subAgent(
        _ own: String?, of parent: String?, main: String?
    ) -> (session: String, parent: String?) {
        guard let named else {
            let session = own ?? RecordSchema.defaultSession
            return (session, parent == session ? nil : parent)
        }
        guard let own, own != named, let session = usable("\(named):\(own)") else {
            return (named, parent == named ? nil : parent)
        }
        guard let parent, parent != main else { return (session, named) }
        return (session, usable("\(named):\(parent)") ?? named)
    }

    /// The session id that the agent itself sends.
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
