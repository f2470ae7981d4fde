package import VerbatimJSON

/// What a trainer states when it opens a rollout.
package struct RolloutTerms: Hashable, Sendable {
    /// A JSON object, kept and returned as it is.
    package var metadata: [UInt8]?
    /// Another rollout that this one belongs to, for the trainer's own use.
    package var parent: String?
    /// A JSON object whose fields overwrite the agent's, as `--sampling` does.
    package var sampling: [UInt8]?
    package var budgets: Budgets?
    /// Seconds after which the key lets no turn in any more.
    package var lifetime: Double?

    package init() {}

    private static let names: Set<String> = [
        "session_id", "metadata", "parent", "sampling", "budgets", "ttl_s",
    ]

    /// - Returns: The terms, and the id that the trainer has chosen.
    package static func read(_ body: [UInt8]) throws(SessionsError) -> (id: String?, terms: RolloutTerms) {
        let fields = try BodyFields(body, allowing: names)
        var terms = RolloutTerms()
        terms.metadata = try fields.object("metadata")
        terms.parent = try fields.string("parent")
        terms.sampling = try fields.object("sampling")
        terms.budgets = try Budgets(in: fields)
        terms.lifetime = try fields.seconds("ttl_s")
        return (try fields.string("session_id"), terms)
    }

    /// Writes the members of the terms that are set.
    package func write(to json: inout JSONWriter) {
        if let metadata { json.member("metadata", normalizing: metadata) }
        if let parent { json.member("parent", parent) }
        if let sampling { json.member("sampling", normalizing: sampling) }
        budgets?.write(to: &json)
        if let lifetime { json.member("ttl_s", seconds: lifetime) }
    }
}
