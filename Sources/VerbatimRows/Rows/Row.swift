package import VerbatimSchema

/// One training sequence: a path of turns, each the exact token prefix of the next.
///
/// ``inputIDs``, ``lossMask`` and ``logprobs`` have one element per token.
package struct Row: Sendable {
    /// The part of a row that one turn contributes.
    package struct Span: Hashable, Sendable {
        package let key: TurnKey
        package let choice: Int
        /// The tokens that no model call of this row sampled: the prompt, as far as earlier turns do not contain it.
        package let context: Range<Int>
        /// The tokens that the turn sampled.
        package let completion: Range<Int>
        /// Whether the completion is trained by this row. Each one is trained by one row at most.
        package let isTrained: Bool
        package let role: Role
        package let finishReason: String?
        package let outcome: TurnOutcome
    }

    /// The turn that a row comes from, although its tokens do not continue it.
    package struct Parent: Hashable, Sendable {
        package enum Relation: String, Sendable {
            /// A sub-agent that the turn started.
            case subagent
            /// A conversation that begins with the turn's summary.
            case compaction
        }

        package let session: String
        /// Nil if it is not known which turn of the session it was.
        package let turn: Int?
        package let relation: Relation
    }

    package enum Status: String, Sendable {
        case completed
        /// The last turn ended at a limit of tokens.
        case truncated
        /// The last turn was cut off.
        case aborted
    }

    package let rolloutID: String
    package let sessionID: String
    /// The place among the rows of the rollout, from 0.
    package let index: Int
    /// Of the first turn that the row trains.
    package let role: Role
    package let roleReason: RoleReason
    package let spans: [Span]
    package let inputIDs: [UInt32]
    /// The number of tokens before the first completion.
    package let promptLength: Int
    package let lossMask: [Bool]
    /// Natural logarithms; 0 where ``lossMask`` is false.
    package let logprobs: [Double]
    package let model: String?
    package let engine: String?
    /// The fields of the last request that change how tokens are sampled, with their JSON texts.
    package let sampling: [(name: String, value: [UInt8])]
    package let status: Status
    /// Whether the row ends with the last turn of its session that has tokens.
    package let isTerminal: Bool
    package let parent: Parent?
    /// Where the row left an earlier turn of its session; nil if it continues none.
    package let fork: Fork?
    package let findings: [Finding]

    /// Whether a token is trained, and the tokens before it are known.
    package var isTrainable: Bool { promptLength > 0 && lossMask.contains(true) }

    /// A name that is the same each time the row is built: that of its last turn.
    package var id: String {
        guard let last = spans.last else { return rolloutID }
        return "\(last.key.session)/\(last.key.turn)/\(last.choice)"
    }
}

extension Row.Parent {
    init(key: TurnKey, relation: Relation) { self.init(session: key.session, turn: key.turn, relation: relation) }
}
