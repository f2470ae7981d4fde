import VerbatimAPI

/// The properties of a request that decide what an engine accepts: a capability found for one key holds for all
/// requests with the same key.
struct CapabilityKey: Hashable, Sendable {
    /// The one that the engine is asked in.
    let api: API
    /// The model's name, shortened: it comes from the agent and may be of any length.
    let model: String
    let isStream: Bool
    let hasTools: Bool
    /// The reasoning effort, shortened. Some models give log-probabilities only if they do not reason.
    let effort: String
    /// The agent demands that every field is supported, which routers otherwise drop.
    let requiresParameters: Bool

    init(
        api: API, model: String, isStream: Bool, hasTools: Bool, effort: String, requiresParameters: Bool = false
    ) {
        self.api = api
        self.model = Self.shortened(model)
        self.isStream = isStream
        self.hasTools = hasTools
        self.effort = Self.shortened(effort)
        self.requiresParameters = requiresParameters
    }

    static func shortened(_ name: String) -> String { String(name.prefix(maximumNameLength)) }

    init(of prepared: PreparedRequest) {
        self.init(
            api: prepared.engineAPI, model: prepared.model, isStream: prepared.isStream, hasTools: prepared.hasTools,
            effort: prepared.effort, requiresParameters: prepared.requiresParameters)
    }

    private static let maximumNameLength = 256

    var requestKind: EngineProfile.RequestKind {
        EngineProfile.RequestKind(api, isStream: isStream, hasTools: hasTools)
    }
}
