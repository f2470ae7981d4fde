/// What the token lists of a record hold whose capture is incomplete.
package enum IncompleteLists: String, CaseIterable, Sendable {
    /// What is known of the tokens.
    case keep
    /// Nothing.
    case empty
}
