import VerbatimJSON

/// What has been captured of a chat completion or a completion so far.
struct ChatReply: EffectTarget {
    private(set) var choices: [ReplyChoice] = []
    /// Whether the index of each choice is its place, as engines usually send them.
    private var areChoicesInOrder = true
    /// The place of the choice with an index, once it may be another.
    private var places: [Int: Int] = [:]
    /// The reply's fields beside `choices`.
    private(set) var envelope = DeltaAccumulator()
    /// Token data that an engine sends beside the choices.
    private(set) var extensions = ExtensionFields()
    /// Whether generated output has come.
    private(set) var hasOutput = false

    private let keepsEntries: Bool
    private let isEcho: Bool

    /// Choices beyond this number are forwarded, but not captured.
    static let choiceLimit = 4096

    /// - Parameters:
    ///   - keepsEntries: Whether the entries of log-probabilities are kept as sent.
    ///   - isEcho: Whether the reply repeats the prompt.
    init(keepsEntries: Bool, isEcho: Bool) {
        self.keepsEntries = keepsEntries
        self.isEcho = isEcho
    }

    @inline(__always)
    mutating func apply(_ effect: ChatEffect, of text: Span<UInt8>, isNormal: Bool) -> EffectRepetition {
        switch effect {
        case .beginEvent:
            envelope.beginInstalment()
            return .required
        case .setField(let key, let value):
            return envelope.set(key, value, of: text, isNormal: isNormal) ? .required : .redundant
        case .setChoiceField(let choice, let key, let value):
            choices[choice].fields.set(key, value, of: text, isNormal: isNormal)
            return .redundant
        case .addMessageField(let choice, let key):
            choices[choice].message.addField(key, of: text)
            return .redundant
        case .setMessageField(let choice, let field, let value):
            choices[choice].message.set(value, at: field, of: text)
            return .redundant
        case .appendMessageText(let choice, let field, let value):
            choices[choice].message.append(value, to: field, of: text)
            return .required
        case .appendText(let choice, let value):
            choices[choice].append(text: value, of: text)
            return .required
        case .changeTokens(let choice, let effect):
            choices[choice].tokens.apply(effect, of: text, isNormal: isNormal)
            return .required
        case .setPromptIDs(let choice, let value):
            choices[choice].promptTokenIDs = JSONNormalizer.normalized(value.range, of: text)
            return .redundant
        case .setPromptLength(let choice, let length):
            choices[choice].tokens.notePrompt(length: length)
            return .redundant
        case .setTokenCount(let choice, let count):
            choices[choice].countByEngine = count
            return .redundant
        case .endInstalment(let choice):
            choices[choice].tokens.apply(.endInstalment, of: text, isNormal: isNormal)
            if !hasOutput && choices[choice].hasOutput { hasOutput = true }
            return .required
        }
    }

    /// Returns the place in ``choices`` of the choice with this index, or nil if no choice has it.
    func place(ofChoice index: Int) -> Int? {
        if areChoicesInOrder { return choices.indices.contains(index) ? index : nil }
        return places[index]
    }

    // MARK: Changes that cannot be repeated

    /// Adds a choice. Returns its place.
    mutating func addChoice(index: Int) -> Int {
        if areChoicesInOrder && index != choices.count {
            areChoicesInOrder = false
            for place in choices.indices { places[place] = place }
        }
        if !areChoicesInOrder && places[index] == nil { places[index] = choices.count }
        choices.append(ReplyChoice(index: index, keepsEntries: keepsEntries, isEcho: isEcho))
        return choices.count - 1
    }

    mutating func readExtension(_ object: JSONObject, of text: Span<UInt8>) throws(JSONError) {
        try extensions.read(object, of: text)
    }

    mutating func changeMessage(
        ofChoice choice: Int, _ body: (inout ChatMessage) throws(JSONError) -> Void
    ) throws(JSONError) {
        try body(&choices[choice].message)
    }

    mutating func readMessage(
        ofChoice choice: Int, with cursor: inout JSONCursor, of text: Span<UInt8>
    ) throws(JSONError) {
        try choices[choice].readMessage(with: &cursor, of: text)
    }

    /// Appends ids of all tokens of a choice.
    mutating func appendWholeIDs(_ list: JSONValue, toChoice choice: Int, of text: Span<UInt8>) throws(JSONError) {
        try choices[choice].tokens.appendWholeIDs(list, of: text)
    }
}
