/// The rows of a root session and all its descendants.
package struct Rollout: Sendable {
    /// A turn, or one of its choices, that no row trains.
    package struct Exclusion: Sendable {
        package let key: TurnKey
        /// Nil for the whole turn.
        package let choice: Int?
        package let role: Role?
        package let reason: String
    }

    package let id: String
    /// Unix time of the first turn, in seconds.
    package let start: Double
    package let turnCount: Int
    package let rows: [Row]
    package let exclusions: [Exclusion]
    package let findings: [Finding]
}
