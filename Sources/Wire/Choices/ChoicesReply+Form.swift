import JSONBytes

// Events of a stream mostly have the form of the one before. Such an event is not walked through, which costs several times as much
// as what is done with it.

extension ChoicesReply {
    /// After so many forms in a row of which none was met again, no more are taken: events of several choices, say, come in turn.
    private static let mostFormsInVain = 8

    /// Whether the form of the event that is about to be read may be of use.
    func wantsForm(of document: Span<UInt8>) -> Bool {
        dialect == .chatCompletions && !state.isWhole && !state.isLookingForEngine
            && formsInVain < Self.mostFormsInVain && document.count <= JSONForm.largestText
    }

    package mutating func keepForm(of event: Span<UInt8>, documentAt offset: Int, fate: EventFate) {
        guard let notes = notes.take(), case .forward = fate, state.outlineIsNormal, choices.count < Self.choiceLimit
        else {
            return
        }
        form = EventForm(of: event, documentAt: offset, notes: notes, edits: state.edits)
        guard form != nil else { return }
        formsInVain += 1
        state.releaseOutline()
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

    private mutating func repeatReading(of event: Span<UInt8>, like form: borrowing EventForm) {
        formsInVain = 0
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
