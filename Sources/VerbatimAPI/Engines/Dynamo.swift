extension EngineProfile {
    /// NVIDIA Dynamo's frontend: ids come in the last chunk, of the first choice only, as
    /// `nvext.completion_token_ids` (pull requests 9509, 9649).
    package static let dynamo: EngineProfile = {
        var profile = EngineProfile(name: "dynamo")
        let ids = IDRequest.member("completion_token_ids", list: "extra_fields", parent: "nvext")
        profile.rules = [.asks(.chatCompletions, ids: [ids]), .asks(.completions, ids: [ids])]
        profile.marks.owners = ["nvidia"]
        profile.marks.replyKeys = ["nvext"]
        return profile
    }()
}
