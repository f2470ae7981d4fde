import VerbatimJSON

/// What an event brought that adds to what came before or takes its place, noted while it is read.
struct EventNotes: Sendable {
    /// Whether nothing came that would make a difference if it came again, but what is noted here: what adds up, or depends on
    /// what stands beside it, must be noted or make this false.
    var isComplete = true
    /// The place of the event's only choice.
    var slot: Int?
    /// Fields of the reply that had another value before, and may have another one again: strings and numbers.
    var changes: [(key: JSONString, value: JSONValue)] = []
    /// Texts of the message, each with the place of its field.
    var texts: [(field: Int, text: JSONValue)] = []
    /// The object with the log-probabilities.
    var logprobs: Range<Int>?
    var isRefusal = false
    var entries: [TokenCapture.Entry] = []
    /// From the first entry to the last.
    var elements: Range<Int>?
    /// A list of ids.
    var ids: JSONValue?

    fileprivate var variable: [Range<Int>] {
        // An empty text stays as it is: whether an event has any text may decide whether it goes out.
        changes.map(\.value.range) + texts.filter { !$0.text.isEmptyString }.map(\.text.range)
            + [logprobs, ids?.range].compactMap(\.self)
    }
}

/// The form of an event that went out, and what was taken from it and edited in it.
///
/// In an event of the same form, the same is taken from the same places. Nothing else in it differs from the event before, and read a
/// second time it would change nothing (``EventNotes/isComplete``).
struct EventTemplate: Sendable {
    /// The values that an entry of log-probabilities is made of.
    private struct Entry: Sendable {
        let token: JSONTemplate.Value?
        let logprob: JSONTemplate.Value
        let id: JSONTemplate.Value?
    }

    private var form: JSONTemplate
    /// The place of the choice.
    let slot: Int
    private let changes: [(key: JSONTemplate.Stretch, value: JSONTemplate.Value, kind: JSONKind)]
    private let texts: [(field: Int, value: JSONTemplate.Value)]
    private let entries: [Entry]
    private let elements: JSONTemplate.Stretch?
    let isRefusal: Bool
    private let ids: JSONTemplate.Value?
    private let edits: [(stretch: JSONTemplate.Stretch, replacement: JSONEdits.Replacement)]

    /// - Parameters:
    ///   - offset: Where the document stands in the event; the notes speak of the document alone.
    ///   - edits: Those of the event.
    /// - Returns: `nil` if an event of the same form may bring what has to be looked for.
    init?(of event: Span<UInt8>, documentAt offset: Int, notes: EventNotes, edits: JSONEdits) {
        func placed(_ range: Range<Int>) -> Range<Int> { range.lowerBound + offset..<range.upperBound + offset }
        guard notes.isComplete, let slot = notes.slot,
            let form = JSONTemplate(of: event, variable: notes.variable.map(placed))
        else { return nil }
        func value(_ range: Range<Int>) -> JSONTemplate.Value? { form.value(at: range.lowerBound + offset) }

        var changes: [(key: JSONTemplate.Stretch, value: JSONTemplate.Value, kind: JSONKind)] = []
        for change in notes.changes {
            guard let value = value(change.value.range) else { return nil }
            changes.append((form.stretch(in: placed(change.key.quoted)), value, change.value.kind))
        }
        var texts: [(field: Int, value: JSONTemplate.Value)] = []
        for text in notes.texts where !text.text.isEmptyString {
            guard let value = value(text.text.range) else { return nil }
            texts.append((text.field, value))
        }
        var entries: [Entry] = []
        for entry in notes.entries {
            let token = entry.token.flatMap { value($0.quoted) }
            let id = entry.id.flatMap { value($0.range) }
            guard entry.value?.kind == .number, let logprob = entry.value.flatMap({ value($0.range) }),
                entry.token == nil || token != nil, entry.id == nil || (entry.id?.kind == .number && id != nil)
            else { return nil }
            entries.append(Entry(token: token, logprob: logprob, id: id))
        }
        let ids = notes.ids.flatMap { value($0.range) }
        if notes.ids != nil && ids == nil { return nil }
        self.form = form
        self.slot = slot
        self.changes = changes
        self.texts = texts
        self.entries = entries
        elements = notes.elements.map { form.stretch(in: placed($0)) }
        isRefusal = notes.isRefusal
        self.ids = ids
        self.edits = edits.edits.map { (form.stretch(in: $0.range), $0.replacement) }
    }

    /// Whether `event` has this form; the rest speaks of that event then.
    mutating func matches(_ event: Span<UInt8>) -> Bool {
        guard form.matches(event) else { return false }
        // Without its texts an event may be one that is not to go out.
        for text in texts where form.range(of: text.value).count == 2 { return false }
        // An empty list of ids says something else than one of some.
        return ids.map { form.range(of: $0).count > 2 } ?? true
    }

    func forEachChange(_ body: (_ key: JSONString, _ value: JSONValue) -> Void) {
        for change in changes {
            body(
                JSONString(quoted: form.range(of: change.key), hasEscapes: true),
                JSONValue(kind: change.kind, range: form.range(of: change.value)))
        }
    }

    func forEachText(_ body: (_ field: Int, _ text: JSONValue) -> Void) {
        for text in texts { body(text.field, JSONValue(kind: .string, range: form.range(of: text.value))) }
    }

    var entryCount: Int { entries.count }

    func entry(at index: Int) -> TokenCapture.Entry {
        let entry = entries[index]
        return TokenCapture.Entry(
            token: entry.token.map { JSONString(quoted: form.range(of: $0), hasEscapes: true) },
            value: number(entry.logprob), id: entry.id.map(number))
    }

    private func number(_ value: JSONTemplate.Value) -> JSONValue {
        JSONValue(kind: .number, range: form.range(of: value))
    }

    /// From the first entry of log-probabilities to the last; `nil` if there are none.
    var elementRange: Range<Int>? { elements.map(form.range) }

    /// What stands between the brackets of the list of ids: numbers, at least one.
    var idRange: Range<Int>? {
        ids.map(form.range).map { $0.lowerBound + 1..<$0.upperBound - 1 }
    }

    /// Notes the edits to be made in the event.
    func note(in edits: inout JSONEdits) {
        for edit in self.edits { edits.replace(form.range(of: edit.stretch), with: edit.replacement) }
    }
}

extension JSONValue {
    fileprivate var isEmptyString: Bool { kind == .string && range.count == 2 }
}
