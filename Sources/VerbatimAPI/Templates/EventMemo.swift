import VerbatimJSON

/// Remembers the last event of a stream that was parsed. For the events that follow with the same template, its effects
/// are replayed instead of parsing them, which takes a third of the time.
struct EventMemo<Effect: ReplayableEffect>: Sendable {
    private var last: MemorizedEvent<Effect>?
    private var backoff = TemplateBackoff()

    /// Forgets the event, because something has changed on which its effects or edits may depend.
    mutating func forget() { last = nil }

    /// Takes the event out, to match it. It must be put back: a copy would share its storage, and matching would copy
    /// it.
    mutating func takeOut() -> MemorizedEvent<Effect>? { last.take() }

    mutating func putBack(_ event: consuming MemorizedEvent<Effect>) { last = event }

    /// Notes that an event matched. Returns whether it is the first one after the event that was memorized.
    mutating func noteMatch() -> Bool { backoff.noteMatch() }

    /// Whether to keep a journal of the effects of an event with this document. To be asked once for each event that
    /// was not replayed.
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

/// An event's template and its effects.
struct MemorizedEvent<Effect: ReplayableEffect>: Sendable {
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

    /// Whether `event` has the template of the memorized one.
    mutating func matches(_ event: Span<UInt8>) -> Bool {
        guard template.matches(event) else { return false }
        for stretch in nonEmpty where template.range(of: stretch).count == 2 { return false }
        return true
    }

    /// Applies the effects of `event`, which has just matched.
    func replay<Target>(_ event: Span<UInt8>, on sink: inout EffectSink<Target>) where Target.Effect == Effect {
        sink.replay(effects, of: event, at: SourceLocator(template, sources))
    }

    /// Appends the edits of the event that matched last.
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
