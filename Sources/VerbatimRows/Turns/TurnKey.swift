/// Names a turn in a trace.
package struct TurnKey: Hashable, Comparable, Sendable {
    package let session: String
    package let turn: Int

    package init(session: String, turn: Int) {
        self.session = session
        self.turn = turn
    }

    package static func < (first: TurnKey, second: TurnKey) -> Bool {
        (first.session, first.turn) < (second.session, second.turn)
    }
}
