package import VerbatimJSON

/// Why a request cannot be forwarded.
package struct RequestError: Error, Sendable {
    package let message: String
}

/// A request of a captured route, scanned once.
package protocol APIRequest: Sendable {
    var document: RequestDocument { get }

    /// Applies the policy and turns on what the engine takes. May be called again for a further attempt.
    func prepared(policy: RequestPolicy, profile: EngineProfile, injectionLimits: InjectionLimits) -> PreparedRequest
}

/// A request as it is forwarded, and what the reply needs to know about it.
package struct PreparedRequest: Sendable {
    /// The body to forward.
    package var body: [UInt8]
    package var injection: Injection
    /// For every field that differs from what the agent sent: its name and the agent's value, `nil` if absent.
    package var clientFields: [(name: String, value: [UInt8]?)]
    package var isStream: Bool
    package var hasTools: Bool
    /// The final model name; empty if there is none.
    package var model: String
    /// How hard the model is to think, as the request says; empty if it does not.
    package var effort: String
    /// The most that it can give.
    package var reach: Capture.Level
    /// Reads the reply.
    package var reply: any ReplyParser

    /// - Parameter fields: With everything injected.
    init(_ fields: RequestFields, asked: ClientRequestedData, reply: any ReplyParser) {
        let state = reply.state
        let injection = state.injection
        let situation = state.situation
        body = fields.edited()
        self.injection = injection
        clientFields = fields.clientFields
        isStream = situation.isStream
        hasTools = situation.hasTools
        model = fields.model
        effort = fields.value("reasoning_effort")?.string ?? fields.value("effort", in: "reasoning")?.string ?? ""
        reach = state.profile.reach(in: situation, asked: asked, injection: injection)
        self.reply = reply
    }
}

/// A request's body, its top level located.
package struct RequestDocument: Sendable {
    package let body: [UInt8]
    package let object: JSONObject

    package init(body: [UInt8]) throws(RequestError) {
        let object: JSONObject?
        do {
            object = try JSONObject(document: body.span, options: .validUTF8)
        } catch {
            throw RequestError(message: "the request body is not valid JSON: \(error)")
        }
        guard let object else { throw RequestError(message: "the request body must be a JSON object") }
        self.body = body
        self.object = object
    }
}

// What the policy changes in the requests of every dialect.
extension RequestFields {
    /// The model's name; empty if there is none.
    var model: String { value("model")?.string ?? "" }

    var isStream: Bool { value("stream")?.isTrue ?? false }

    /// `n`, 1 if it is not sent or is nothing that an engine takes.
    var choiceCount: Int {
        guard let n = value("n")?.number, n >= 1, n <= 4096 else { return 1 }
        return Int(n)
    }

    var hasTools: Bool { value("tools")?.isNonEmptyArray ?? false }

    /// The fields of a request with the policy applied.
    ///
    /// - Parameter limits: The names that token limits have in the dialect.
    init(_ document: RequestDocument, policy: RequestPolicy, limits: [String]) {
        self.init(document)
        if policy.goal == .off { return }
        apply(policy)
        cap(limits, by: policy)
    }

    /// Overwrites sampling fields and the model.
    mutating func apply(_ policy: RequestPolicy) {
        for (name, value) in policy.sampling { set(name, to: value) }
        if let model = policy.modelOverride {
            var text: [UInt8] = []
            text.appendJSONString(model)
            set("model", to: text)
        }
    }

    /// Lowers token limits to the policy's.
    mutating func cap(_ names: [String], by policy: RequestPolicy) {
        guard let cap = policy.maxTokensCap else { return }
        for name in names {
            if let limit = value(name)?.number, limit > Double(cap) { set(name, to: cap) }
        }
    }

    mutating func set(_ name: String, to number: Int) { set(name, to: Array(String(number).utf8)) }

    mutating func turnOn(_ name: String) { set(name, to: Array("true".utf8)) }
}
