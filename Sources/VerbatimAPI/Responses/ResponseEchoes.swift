import VerbatimJSON

/// What the agent sent in the fields that a response repeats.
struct ResponseEchoes: Hashable, Sendable {
    /// The member of `include` that asks for log-probabilities.
    static let includedLogprobs = "message.output_text.logprobs"

    /// JSON texts; nil if absent or null, or if so long that nothing is injected.
    let topLogprobs: [UInt8]?
    let include: [UInt8]?

    init(_ fields: RequestFields) {
        func text(_ name: String) -> [UInt8]? {
            fields.value(name).flatMap { $0.isNull || $0.isTooLarge ? nil : $0.text }
        }
        topLogprobs = text("top_logprobs")
        include = text("include")
    }

    /// The value that restores an echoed `top_logprobs`; nil if `injection` did not cause it.
    func topLogprobs(
        insteadOf value: JSONValue, of text: Span<UInt8>, after injection: Injection, engine: EngineProfile
    ) -> [UInt8]? {
        guard let injected = injection.topLogprobs, injection.logprobs == .included else { return nil }
        let own = topLogprobs.map { RequestFields.Value(text: $0).number }
        guard let echoed = value.double(in: text) else { return nil }
        // Another number than the agent's own is no echo. Without one, 0 may be the engine's way to say that nothing
        // was asked for; an engine that states any other number has changed the injected one.
        if own.map({ echoed != $0 }) ?? (echoed == 0 && injected != 0) { return nil }
        if own != nil && engine.echoesUnusedTopLogprobs { return nil }
        let unset = Array(engine.unsetTopLogprobs.utf8)
        return unset == value.bytes(in: text) ? nil : unset
    }

    /// The value that restores an echoed `include`; nil if `injection` did not cause it.
    func include(insteadOf value: JSONValue, of text: Span<UInt8>, after injection: Injection) -> [UInt8]? {
        guard injection.topLogprobs != nil, injection.logprobs == .included, value.kind == .array,
            RequestFields.Value(text: value.bytes(in: text)).holds(Self.includedLogprobs)
        else { return nil }
        return include ?? Array("null".utf8)
    }
}
