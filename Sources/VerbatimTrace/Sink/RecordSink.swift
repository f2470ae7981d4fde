/// A destination of records: numbers the turns of each session, and persists their records.
///
/// The proxy calls it from all of its event loops, so that no method may block, except ``close()``. ``TraceRecorder``
/// writes to a file, ``TraceFolder`` to a file for each rollout. `RecordSinkConformance` in the target `VerbatimTesting`
/// checks what each sink must do.
package protocol RecordSink: Sendable {
    /// Returns the rollout that a session belongs to, or nil if the sink must look it up: ``prepare(_:whenDone:)`` then
    /// gives it.
    func rollout(of place: SessionPlace) -> String?

    /// Finds the rollout of a session, and makes it ready for the next turn. Calls `whenDone` once, on any thread: with
    /// the rollout, or with the reason why its records cannot be persisted.
    ///
    /// A rollout that no turn uses may have to be prepared again.
    func prepare(_ place: SessionPlace, whenDone: @escaping @Sendable (Result<String, TraceError>) -> Void)

    /// Returns the number of the session's next turn: 1, 2, … A number is returned once, even if its turn is never
    /// recorded.
    func nextTurn(inSession id: String, of rollout: String) -> TurnNumber

    /// The reason why no turn may start now, in words for the agent; nil while records can be persisted.
    var refusal: String? { get }

    /// The reason why no turn of the rollout may start now, although there is no ``refusal``.
    func refusal(of rollout: String) -> String?

    /// Counts a turn that was refused because of ``refusal``, or because its rollout could not be prepared.
    func noteRefusedTurn()

    /// Takes records, always, and persists those of a session in the order of the calls.
    func record(_ submissions: [RecordSubmission])

    /// Checks whether the destination is still the configured one (a file may have been renamed), and switches to that
    /// if not. Calls `whenDone` once, on any thread: with nil, or with the reason why records cannot be persisted.
    func reopen(whenDone: @escaping @Sendable (TraceError?) -> Void)

    /// Persists the remaining records as far as possible and releases the destination. May block. All submissions have
    /// been reported when it returns, and later ones fail. Must not be called from an `onPersisted`.
    func close()
}

/// What a sink does that keeps all rollouts together.
extension RecordSink {
    package func rollout(of place: SessionPlace) -> String? { place.presumedRollout }

    package func prepare(
        _ place: SessionPlace, whenDone: @escaping @Sendable (Result<String, TraceError>) -> Void
    ) {
        whenDone(.success(place.presumedRollout))
    }

    package func refusal(of rollout: String) -> String? { nil }
}

/// A record on its way to a sink.
package struct RecordSubmission: Sendable {
    package let record: SharedRecord

    /// Called once, on any thread: as soon as the record is persisted, or the first attempt has failed.
    ///
    /// After a failure the sink keeps the record, marks it (``TurnRecord/markWriteFailed()``), and tries again.
    package let onPersisted: @Sendable (Result<Void, TraceError>) -> Void

    package init(_ record: SharedRecord, onPersisted: @escaping @Sendable (Result<Void, TraceError>) -> Void) {
        self.record = record
        self.onPersisted = onPersisted
    }
}
