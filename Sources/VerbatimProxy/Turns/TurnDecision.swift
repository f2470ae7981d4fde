/// What a ``CapturedTurn`` decides on an event.
extension CapturedTurn {
    /// What the caller has to do.
    enum Action: Equatable {
        case nothing
        /// Send ``prepared`` as a further attempt. Close the engine's connection first if it is still busy with the
        /// last one.
        case retry
        /// Keep the record (``takeRecord(engine:)``), then call ``recordWasKept(_:)``. `closesEngine`: the engine is
        /// not needed any more.
        case record(closesEngine: Bool)
        /// The reply is whole. The agent's connection may serve the next request.
        case finish
        /// The engine has stopped early. Send what is left, and close the agent's connection without the end of the
        /// reply's framing.
        case cutOff
        /// Cut the agent's connection, so that the agent cannot take the reply for whole.
        case abort
    }

    /// What the caller has to do, and what the turn has found out about the engine. The findings come first.
    struct Decision: Equatable {
        var action: Action
        var findings: [CapabilityFinding] = []
    }
}
