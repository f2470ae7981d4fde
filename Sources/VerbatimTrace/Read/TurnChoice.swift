import VerbatimJSON

/// The captured data of one choice. The non-empty lists of sampled tokens have one element per token.
public struct TurnChoice: Hashable, Sendable {
    /// The choice's `index` in the reply.
    public let index: Int

    /// The texts of the tokens; empty if the engine did not send all of them: then ``knownTokens`` has those that it
    /// sent.
    public let completionTokens: [String]

    /// The ids of the tokens; empty if the engine did not send all of them: then ``knownTokenIDs`` has
    /// those that it sent.
    public let completionTokenIDs: [Int]

    /// The texts of the tokens, nil where the engine sent none.
    public let knownTokens: [String?]

    /// The ids of the tokens, nil where the engine sent none.
    public let knownTokenIDs: [Int?]

    /// The log-probabilities of the tokens, natural logarithms, nil where unknown; empty if the engine sent none.
    public let perTokenLogprobs: [Double?]

    /// Why the choice ended, in the engine's words.
    public let finishReason: String?

    /// The token ids of the choice's prompt, which differ if the request had several prompts; nil if the engine sent
    /// none.
    public let promptTokenIDs: [Int]?

    /// Reads the fields of `object`, which is a record or one of its choices: they have the same names.
    init(_ object: JSONObject, index: Int, in text: Span<UInt8>) {
        self.index = index
        knownTokens = Self.listWithGaps("completion_tokens", of: object, in: text) { $0.string(in: text) }
        knownTokenIDs = Self.listWithGaps("completion_token_ids", of: object, in: text) { $0.int(in: text) }
        completionTokens = Self.whole(knownTokens)
        completionTokenIDs = Self.whole(knownTokenIDs)
        perTokenLogprobs =
            Self.list("per_token_logps", of: object, in: text) { value -> Double?? in
                if value.isNull || value.kind == .nonFinite { return .some(nil) }
                return value.double(in: text).map { .some($0) }
            } ?? []
        finishReason = object.value("finish_reason", in: text)?.string(in: text)
        promptTokenIDs = Self.list("prompt_token_ids", of: object, in: text) { $0.int(in: text) }
    }

    /// The elements of an array, nil where it has `null`; empty if one of them has another type.
    private static func listWithGaps<Element>(
        _ name: StaticString, of object: JSONObject, in text: Span<UInt8>, element: (JSONValue) -> Element?
    ) -> [Element?] {
        list(name, of: object, in: text) { value -> Element?? in
            value.isNull ? .some(nil) : element(value).map { .some($0) }
        } ?? []
    }

    /// The list without a gap; empty if it has one.
    private static func whole<Element>(_ list: [Element?]) -> [Element] {
        let known = list.compactMap(\.self)
        return known.count == list.count ? known : []
    }

    /// The elements of an array; nil if one of them has another type.
    private static func list<Element>(
        _ name: StaticString,
        of object: JSONObject,
        in text: Span<UInt8>,
        element: (JSONValue) -> Element?
    ) -> [Element]? {
        guard let array = object.value(name, in: text), array.kind == .array else { return nil }
        return array.elements(in: text)?.reduce(into: [Element]?([])) { list, value in
            if let element = element(value) { list?.append(element) } else { list = nil }
        }
    }
}
