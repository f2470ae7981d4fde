/// The only way to change what has been captured of a reply, so that every change is known to be repeatable or not.
struct EffectSink<Target: EffectTarget>: Sendable {
    private(set) var target: Target
    /// The effects of the event that is being read; `nil` unless they are wanted and all of them can be repeated.
    private var journal: [Target.Effect]?

    init(_ target: Target) { self.target = target }

    /// Applies an effect at once, and keeps it in the journal if it must be applied again for the next event of the
    /// same template.
    @inline(__always)
    mutating func emit(_ effect: Target.Effect, of event: Span<UInt8>, isNormal: Bool) {
        let repetition = target.apply(effect, of: event, isNormal: isNormal)
        if case .required = repetition { journal?.append(effect) }
    }

    /// Changes the target in a way that cannot be repeated for another event.
    mutating func change<Result, Failure: Error>(
        _ body: (inout Target) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        journal = nil
        return try body(&target)
    }

    // MARK: For the memo

    mutating func startJournal() { journal = [] }

    /// Ends the journal. Returns nil if a change was made that cannot be repeated.
    mutating func takeJournal() -> [Target.Effect]? { journal.take() }

    /// Applies effects that were moved to `event`, which needs no normalizing.
    @inline(__always)
    mutating func replay(_ effects: [Target.Effect], of event: Span<UInt8>, at sources: consuming SourceLocator) {
        for effect in effects { _ = target.apply(effect.moved(to: &sources), of: event, isNormal: true) }
    }
}
