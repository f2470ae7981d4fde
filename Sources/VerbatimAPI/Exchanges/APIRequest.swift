/// A request to a captured route, its top level scanned once.
package protocol APIRequest: Sendable {
    var document: RequestDocument { get }

    /// Whether what the model is to reply to is missing, or no such thing. Engines refuse such a request.
    var lacksInput: Bool { get }

    /// What the agent expects of the reply, for replies that are written without an engine. It is read when it is
    /// asked for.
    var expectation: ExpectedReply { get }

    /// Applies the policy and turns on the token data that the engine accepts. May be called again for a further
    /// attempt.
    func prepared(policy: RequestPolicy, profile: EngineProfile, injectionLimits: InjectionLimits) -> PreparedExchange
}

extension APIRequest {
    package var lacksInput: Bool { false }
}

/// Both sides of an attempt: what is sent to the engine, and what reads its reply.
package struct PreparedExchange: Sendable {
    package var request: PreparedRequest
    /// Made from what the request side knows: what was injected, and what the agent itself asked for.
    package var reply: any ReplyTransform

    package init(request: PreparedRequest, reply: any ReplyTransform) {
        self.request = request
        self.reply = reply
    }
}
