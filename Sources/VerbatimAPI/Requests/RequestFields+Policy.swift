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
    /// - Parameter limits: The names of the token limit in the API; the first is set if none of them is there.
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
            removeOtherSpellings(of: ["model"])
            var text: [UInt8] = []
            text.appendJSONString(model)
            set("model", to: text)
        }
    }

    mutating func set(_ name: String, to number: Int) { set(name, to: Array(String(number).utf8)) }

    mutating func turnOn(_ name: String) { set(name, to: Array("true".utf8)) }
}
