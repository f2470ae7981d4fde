import VerbatimJSON

// What the policy changes in the requests of every API.
extension RequestFields {
    /// The model's name; empty if there is none.
    var model: String { value("model")?.string ?? "" }

    var isStream: Bool { value("stream")?.isTrue ?? false }

    /// The value of `n`; 1 if it is absent or no number of choices that an engine accepts.
    var choiceCount: Int {
        guard let n = value("n")?.number, n >= 1, n <= 4096 else { return 1 }
        return Int(n)
    }

    var hasTools: Bool { value("tools")?.isNonEmptyArray ?? false }

    /// The fields of a request with the policy applied.
    ///
    /// - Parameter limits: The names that token limits have in the API.
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
