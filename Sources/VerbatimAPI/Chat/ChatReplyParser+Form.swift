import VerbatimJSON

// Events of a stream mostly have the form of the one before. Such an event is not walked through, which costs several times as much
// as what is done with it.

extension ChatReplyParser {
    /// Whether the form of the event that is about to be read may be of use.
    mutating func wantsForm(of document: Span<UInt8>) -> Bool {
        api == .chatCompletions && !state.isWhole && !state.isLookingForEngine
            && document.count <= JSONTemplate.largestText && templateBackoff.allowsAnother()
    }

    package mutating func keepForm(of event: Span<UInt8>, documentAt offset: Int, disposition: EventDisposition) {
        guard let notes = notes.take(), notes.isComplete, case .passThrough = disposition, state.outlineIsNormal,
            choices.count < Self.choiceLimit
        else { return }
        form = EventTemplate(of: event, documentAt: offset, notes: notes, edits: state.edits)
        // To find that there is none costs as much.
        templateBackoff.noteTaken()
    }

    package mutating func forgetForm() {
        notes = nil
        form = nil
    }

    package mutating func readAgain(_ event: Span<UInt8>) -> Bool {
        // Taken out and put back, since a copy would share its lists.
        guard var form = form.take() else { return false }
        let isLikeBefore = form.matches(event)
        if isLikeBefore { repeatReading(of: event, like: form) }
        self.form = consume form
        return isLikeBefore
    }

    private mutating func repeatReading(of event: Span<UInt8>, like form: borrowing EventTemplate) {
        if templateBackoff.noteMet() { state.releaseOutline() }
        let slot = form.slot
        envelope.restart()
        form.forEachChange { envelope.put($0, $1, of: event, isNormal: true) }
        form.forEachText { choices[slot].message.append($1, to: $0, of: event) }
        choices[slot].tokens.readEntries(of: event, like: form)
        if let ids = form.idRange { choices[slot].tokens.append(ids: ids, of: event) }
        endInstalment(of: slot)
        form.note(in: &state.edits)
    }
}
