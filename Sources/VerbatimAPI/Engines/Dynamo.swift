extension EngineProfile {
    /// NVIDIA Dynamo's frontend: the ids of the first choice come in the last chunk, as `nvext.completion_token_ids`
    /// (pull requests 9509, 9649).
    package static let dynamo: EngineProfile = {
        var profile = EngineProfile(name: "dynamo")
        let ids = IDField.member("completion_token_ids", list: "extra_fields", parent: "nvext")
        profile.rules = [.asks(.chatCompletions, ids: [ids]), .asks(.completions, ids: [ids])]
        profile.fingerprint.owners = ["nvidia"]
        profile.fingerprint.replyKeys = ["nvext"]
        return profile
    }()
}
