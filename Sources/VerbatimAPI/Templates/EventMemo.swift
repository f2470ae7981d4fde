import VerbatimJSON

/// Remembers the last event of a stream that was parsed. For the events that follow with the same template, its effects
/// are replayed instead of parsing them, which takes a third of the time.
struct EventMemo<Effect: ReplayableEffect>: Sendable {
    private var last: MemorizedEvent<Effect>?
    private var backoff = TemplateBackoff()

    /// Forgets the event, because something has changed on which its effects or edits may depend.
    mutating func forget() { last = nil }

    /// Replays the effects of the last event if `event` has its template. Such an event passes through with the edits of
    /// ``appendEdits(to:)``.
    mutating func replay<Target>(
        _ event: Span<UInt8>, on sink: inout EffectSink<Target>
    ) -> EventMatch where Target.Effect == Effect {
        // Taken out and put back: a copy would share its storage, and matching would copy it.
        guard var memorized = last.take() else { return .none }
        let isMatch = memorized.matches(event)
        if isMatch { memorized.replay(event, on: &sink) }
        last = consume memorized
        if !isMatch { return .none }
        return backoff.noteMatch() ? .first : .again
    }

    /// Appends the edits of the event that was replayed last.
    func appendEdits(to edits: inout JSONEdits) { last?.appendEdits(to: &edits) }

    /// Whether to keep a journal of the effects of an event with this document. To be asked once for each event that was
    /// not replayed.
    mutating func wantsJournal(of document: Span<UInt8>) -> Bool {
        Effect.self != Never.self && document.count <= JSONTemplate.largestText && backoff.allowsTemplate()
    }

    /// Remembers an event that passed through.
    ///
    /// - Parameters:
    ///   - offset: Offset of the document in the event. The ranges of the effects are relative to the document.
    ///   - edits: Edits of the event. They must depend on the event's template alone, not on its variable values.
    mutating func remember(
        _ event: Span<UInt8>, documentAt offset: Int, effects: [Effect], edits: JSONEdits
    ) {
        last = MemorizedEvent(event, documentAt: offset, effects: effects, edits: edits)
        // An attempt that fails costs as much.
        backoff.noteTemplate()
    }
}

/// Whether an event has the template of the one before.
enum EventMatch {
    case none, first, again
}

/// An event's template and its effects.
private struct MemorizedEvent<Effect: ReplayableEffect>: Sendable {
    private var template: JSONTemplate
    private let effects: [Effect]
    /// The sources of all effects, in order.
    private let sources: [JSONTemplate.Stretch]
    private let nonEmpty: [JSONTemplate.Stretch]
    private let edits: [(stretch: JSONTemplate.Stretch, replacement: JSONEdits.Replacement)]

    /// Returns nil if the effects cannot be moved to another event of the template.
    init?(_ event: Span<UInt8>, documentAt offset: Int, effects: [Effect], edits: JSONEdits) {
        func inEvent(_ range: Range<Int>) -> Range<Int> { range.lowerBound + offset..<range.upperBound + offset }
        var variables: [VariableValue] = []
        for effect in effects { effect.forEachVariable { variables.append($0) } }
        guard let template = JSONTemplate(of: event, variable: variables.map { inEvent($0.range) }) else { return nil }
        var sources: [JSONTemplate.Stretch] = []
        var isMovable = true
        for effect in effects {
            effect.forEachSource { range in
                let range = inEvent(range)
                if template.cutsValue(range) { isMovable = false }
                sources.append(template.stretch(in: range))
            }
        }
        guard isMovable, !edits.edits.contains(where: { template.cutsValue($0.range) }) else { return nil }
        self.template = template
        self.effects = effects
        self.sources = sources
        nonEmpty = variables.filter(\.isNonEmpty).map { template.stretch(in: inEvent($0.range)) }
        self.edits = edits.edits.map { (template.stretch(in: $0.range), $0.replacement) }
    }

    mutating func matches(_ event: Span<UInt8>) -> Bool {
        guard template.matches(event) else { return false }
        for stretch in nonEmpty where template.range(of: stretch).count == 2 { return false }
        return true
    }

    /// To be called when `event` has just matched.
    func replay<Target>(_ event: Span<UInt8>, on sink: inout EffectSink<Target>) where Target.Effect == Effect {
        sink.replay(effects, of: event, at: SourceLocator(template, sources))
    }

    func appendEdits(to edits: inout JSONEdits) {
        for edit in self.edits { edits.replace(template.range(of: edit.stretch), with: edit.replacement) }
    }
}

/// Where the sources of effects are in the event that matched last.
struct SourceLocator {
    private let template: JSONTemplate
    private let sources: [JSONTemplate.Stretch]
    private var position = 0

    init(_ template: JSONTemplate, _ sources: [JSONTemplate.Stretch]) {
        self.template = template
        self.sources = sources
    }

    @inline(__always)
    mutating func next() -> Range<Int> {
        defer { position += 1 }
        return template.range(of: sources[position])
    }

    mutating func next(_ kind: JSONKind) -> JSONValue { JSONValue(kind: kind, range: next()) }
}
