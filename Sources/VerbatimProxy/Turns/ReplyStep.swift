import VerbatimSchema

/// What a ``ReplyRelay`` needs to go on.
extension ReplyRelay {
    enum Step {
        /// There is nothing to decide.
        case goOn
        /// Nothing has gone to the agent, and the reply has shown whether the engine rejects the request. Drop the
        /// relay for a further attempt, or proceed. It is nil if the reply is no error.
        case judge(EngineError?)
        /// A stream whose head has been sent begins with an error. Proceed.
        case lateError(EngineError)
        /// The reply is whole or cut off, and the record is due. ``release(to:)`` sends what is held back.
        case ended(TurnOutcome, by: End)
    }

    enum End {
        /// The stream's terminal event. The end of its framing may still come.
        case terminalEvent
        case end
        /// The engine stopped in the middle.
        case cutOff
    }
}
