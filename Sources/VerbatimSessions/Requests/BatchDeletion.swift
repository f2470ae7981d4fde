import VerbatimJSON

/// One rollout to delete.
package struct BatchDeletion: Hashable, Sendable {
    package let id: String
    package let snapshot: String?
    package let isForced: Bool

    /// Most deletions in one request.
    private static let maximumCount = 10_000

    /// Reads `{"sessions":[{"session_id":…,"snapshot_id":…,"force":…},…]}`.
    package static func read(_ body: [UInt8]) throws(SessionsError) -> [BatchDeletion] {
        let fields = try BodyFields(body, allowing: ["sessions"])
        let elements = try fields.elements("sessions", allowing: ["session_id", "snapshot_id", "force"])
        guard let elements, elements.count <= maximumCount else {
            throw .invalid("'sessions' must be an array of at most \(maximumCount) objects")
        }
        var deletions: [BatchDeletion] = []
        for element in elements {
            guard let id = try element.string("session_id") else {
                throw .invalid("each element of 'sessions' needs a 'session_id'")
            }
            deletions.append(
                BatchDeletion(
                    id: id, snapshot: try element.string("snapshot_id"), isForced: try element.bool("force") ?? false))
        }
        return deletions
    }
}
