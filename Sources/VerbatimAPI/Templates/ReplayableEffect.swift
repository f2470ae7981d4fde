import VerbatimJSON

/// One change that an event makes to what has been captured of a reply.
///
/// Effects name the parts of the event that they read. So an effect of one event can be moved to another event of the
/// same template, and applied there without parsing that event.
protocol ReplayableEffect: Sendable {
    /// Calls `body` with each part of the event that the effect reads, in a fixed order.
    func forEachSource(_ body: (Range<Int>) -> Void)

    /// Calls `body` with each JSON value that may be another one in an event of the same template. All other bytes are
    /// the same in each event of a template. No two effects of an event name the same value.
    func forEachVariable(_ body: (VariableValue) -> Void)

    /// Returns the same effect of another event. Calls `sources.next()` once for each source, in the order of
    /// ``forEachSource(_:)``.
    func moved(to sources: inout SourceLocator) -> Self
}

/// A JSON value that may differ between the events of a template.
///
/// Of an object or an array, only the values in it may differ, not their number nor the names of members. A list of
/// natural numbers may have any length.
struct VariableValue {
    let range: Range<Int>
    /// Whether an empty string at this place makes another template.
    var isNonEmpty = false
}

/// What an effect means for the next event of the same template.
enum EffectRepetition {
    /// The effect must be applied again, with the values of that event.
    case required
    /// Applying it again changes nothing, since all that it reads is the same in that event.
    case redundant
}

/// What the effects of a reply's events change.
protocol EffectTarget: Sendable {
    associatedtype Effect: ReplayableEffect

    /// Applies an effect of `event`.
    ///
    /// - Parameter isNormal: Whether the values of `event` need no normalizing.
    mutating func apply(_ effect: Effect, of event: Span<UInt8>, isNormal: Bool) -> EffectRepetition
}

/// The target of a parser that emits no effects: each of its events is parsed.
struct NoEffectTarget: EffectTarget {
    mutating func apply(_ effect: Never, of event: Span<UInt8>, isNormal: Bool) -> EffectRepetition {}
}

extension Never: ReplayableEffect {
    func forEachSource(_ body: (Range<Int>) -> Void) {}
    func forEachVariable(_ body: (VariableValue) -> Void) {}
    func moved(to sources: inout SourceLocator) -> Never { switch self {} }
}
