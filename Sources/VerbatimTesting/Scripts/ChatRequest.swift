/// The fields of a chat completion request that the scripted engines read.
struct ChatRequest: Sendable {
    let keys: [String]
    let model: String?
    let stream: Bool
    let includesUsage: Bool
    let continuousUsage: Bool
    let logprobs: Bool
    /// The value as sent; nil if absent or null.
    let topLogprobs: Int?
    let nProbs: Int
    let returnsTokenIDs: Bool
    let choiceCount: Int
    let hasTools: Bool
    let hasToolResult: Bool

    /// Returns nil if the body is not a JSON object.
    init?(_ body: [UInt8]) {
        guard let json = MockJSON.parse(body), case .object = json else { return nil }
        keys = json.keys
        model = json["model"]?.stringValue
        stream = json["stream"]?.boolValue ?? false
        includesUsage = json["stream_options"]?["include_usage"]?.boolValue ?? false
        continuousUsage = includesUsage && json["stream_options"]?["continuous_usage_stats"]?.boolValue ?? false
        logprobs = json["logprobs"]?.boolValue ?? false
        topLogprobs = json["top_logprobs"]?.intValue
        nProbs = json["n_probs"]?.intValue ?? 0
        returnsTokenIDs = json["return_token_ids"]?.boolValue ?? false
        choiceCount = max(1, json["n"]?.intValue ?? 1)
        hasTools = !(json["tools"]?.elements ?? []).isEmpty
        hasToolResult = (json["messages"]?.elements ?? []).contains { $0["role"]?.stringValue == "tool" }
    }
}
