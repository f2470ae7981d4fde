/// A sink's reply to the question for the number of a turn.
package enum TurnNumber: Hashable, Sendable {
    case turn(Int)
    /// The last turns of the rollout are not in memory: it must be prepared first.
    case unprepared
    /// The sink cannot hold another session.
    case tooManySessions
}
