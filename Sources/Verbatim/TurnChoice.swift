import VerbatimJSON
import VerbatimTrace

/// What was captured of one choice: of lists that are not empty, element by element of the same tokens.
public struct TurnChoice: Hashable, Sendable {
    /// The choice's `index` in the reply.
    public let index: Int

    /// The tokens' texts; empty if the engine did not give all of them.
    public let completionTokens: [String]

    /// The tokens' ids; empty if the engine did not give all of them. What it gave stands in ``Turn/json``.
    public let completionTokenIDs: [Int]

    /// The tokens' log-probabilities, `nil` where unknown; empty if the engine gave none.
    public let perTokenLogprobs: [Double?]

    /// Why the choice ended, in the engine's words.
    public let finishReason: String?

    /// The ids of the choice's own prompt, which differ where several prompts were sent; `nil` if the engine gave none.
    public let promptTokenIDs: [Int]?

    /// Reads the captures that stand in `object`, whose fields are the same in a record and in one of its choices.
    init(_ object: JSONObject, index: Int, in text: Span<UInt8>) {
        self.index = index
        completionTokens = Self.list("completion_tokens", of: object, in: text) { $0.string(in: text) } ?? []
        completionTokenIDs = Self.list("completion_token_ids", of: object, in: text) { $0.int(in: text) } ?? []
        perTokenLogprobs =
            Self.list("per_token_logps", of: object, in: text) { value -> Double?? in
                if value.isNull || value.kind == .nonFinite { return .some(nil) }
                return value.double(in: text).map { .some($0) }
            } ?? []
        finishReason = object.value("finish_reason", in: text)?.string(in: text)
        promptTokenIDs = Self.list("prompt_token_ids", of: object, in: text) { $0.int(in: text) }
    }

    /// The elements of an array; `nil` unless each of them is what it should be.
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
