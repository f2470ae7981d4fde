/// A session as a request names it. A sink tells from it which rollout the session belongs to.
package struct SessionPlace: Hashable, Sendable {
    package let session: String
    /// The session of the agent that started this one.
    package let parent: String?
    /// The root session, if the request names it: by its key, its path or a header. nil if it follows from the
    /// sessions that started this one.
    package let root: String?

    package init(session: String, parent: String? = nil, root: String? = nil) {
        self.session = session
        self.parent = parent
        self.root = root
    }

    /// The root session of a rollout.
    package init(rollout: String) {
        self.init(session: rollout, root: rollout)
    }

    /// The rollout as far as it can be told from the request alone.
    package var presumedRollout: String { root ?? parent ?? session }
}
