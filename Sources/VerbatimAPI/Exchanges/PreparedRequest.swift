package import VerbatimJSON
package import VerbatimSchema

/// A request as it is sent to the engine.
package struct PreparedRequest: Sendable {
    /// The API that the engine is asked in. The agent may use another one.
    package var engineAPI: API
    /// The route below the engine's base path: `/chat/completions`.
    package var route: String
    /// The body to forward, which is made when it is sent.
    package var content: EditedText
    package var injection: Injection
    /// For every field that differs from what the agent sent: its name and the agent's value, `nil` if absent.
    package var clientFields: [(name: String, value: [UInt8]?)]
    package var isStream: Bool
    package var hasTools: Bool
    /// The final model name; empty if there is none.
    package var model: String
    /// The reasoning effort that the request asks for; empty if it asks for none.
    package var effort: String
    /// The agent demands that a router chooses an engine that supports every field (OpenRouter).
    package var requiresParameters: Bool
    /// The highest capture level that a reply to this request can give.
    package var bestPossibleLevel: CaptureLevel

    /// The body to forward.
    package var body: [UInt8] {
        get { content.bytes }
        set { content = EditedText(newValue) }
    }

    /// - Parameter fields: With everything injected.
    init(
        _ fields: RequestFields, asked: AgentRequestedData, injection: Injection,
        in requestKind: EngineProfile.RequestKind,
        profile: EngineProfile
    ) {
        engineAPI = requestKind.api
        route = requestKind.api.route
        content = fields.edited()
        self.injection = injection
        clientFields = fields.clientFields
        isStream = requestKind.isStream
        hasTools = requestKind.hasTools
        model = fields.model
        effort = fields.value("reasoning_effort")?.string ?? fields.value("effort", in: "reasoning")?.string ?? ""
        requiresParameters = fields.value("require_parameters", in: "provider")?.isTrue ?? false
        bestPossibleLevel = profile.bestPossibleLevel(in: requestKind, asked: asked, injection: injection)
    }
}
