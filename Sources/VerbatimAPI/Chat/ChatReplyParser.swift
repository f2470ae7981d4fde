import VerbatimJSON

/// Reads the reply to a chat completion or a completion, streamed or not: what has `choices`.
struct ChatReplyParser: ReplyParser {
    var state: ReplyState
    let asked: ClientRequestedData
    /// What is known of a prompt that the reply repeats; `nil` if it does not.
    let echo: EchoedPrompt?
    /// Whether ids of the completion, and of the prompt alone, are there because of the injection.
    let injectsIDs: Bool
    let injectsPromptIDs: Bool

    var choices: [ReplyChoice] = []
    /// The place of the choice that was read last.
    var lastSlot = 0
    /// The reply's fields beside `choices`.
    var envelope = FieldBag()
    /// Token data that an engine sends beside the choices.
    var extensions = ExtensionFields()

    /// Of the event that is being read, if its form is wanted.
    var notes: EventNotes?
    /// Of the last event with a document, if all that it brought is known.
    var form: EventTemplate?
    var templateBackoff = TemplateBackoff()

    init(_ state: ReplyState, asked: ClientRequestedData, echo: EchoedPrompt? = nil) {
        self.state = state
        self.asked = asked
        self.echo = echo
        injectsIDs = state.injection.ids.contains(.completionIDs)
        injectsPromptIDs = state.injection.ids.contains(.promptIDs)
    }

    var api: API { state.situation.api }

    /// Only `[DONE]` ends a stream.
    func isTerminal(document: Span<UInt8>) -> Bool { false }
}
