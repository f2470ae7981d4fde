import VerbatimJSON
import TestSupport
import VerbatimAPI

enum RequestProperties {
    static func check(_ input: [UInt8]) throws {
        var choices = Choices(input)
        let api = choices.pick(API.allCases)
        let profile = choices.pick(EngineProfile.all + [.generic])
        var policy = RequestPolicy()
        let flags = choices.byte()
        policy.goal = [.tokens, .logprobs, .text, .off][flags & 3]
        if flags & 4 != 0 { policy.maxTokensCap = 16 }
        if flags & 8 != 0 { policy.disablesThinking = true }
        if flags & 16 != 0 { policy.modelOverride = "other \"model\"" }
        if flags & 32 != 0 { policy.sampling = [("temperature", Array("1.0".utf8))] }
        var injectionLimits = InjectionLimits()
        if flags & 64 != 0 { injectionLimits.tokenIDs = false }
        if flags & 128 != 0 { injectionLimits = .nothing }
        let body = Array(choices.rest)
        guard ScannerProperties.deepest(in: body) < 400, let request = try? APIRegistry.request(to: api, body: body)
        else { return }

        let prepared = request.prepared(policy: policy, profile: profile, injectionLimits: injectionLimits).request
        try Violation.unless(
            ScannerProperties.scans(prepared.body, options: [.validUTF8]), "the forwarded request is no JSON")
        let isUntouched = policy.goal == .off || (policy.goal == .text && flags & 0b111100 == 0)
        if isUntouched {
            // Some models reject `max_tokens`. It is renamed for them, whatever is captured.
            let changed = Set(prepared.clientFields.map(\.name))
            try Violation.unless(
                prepared.body == body || (policy.goal == .text && changed.contains("max_tokens")),
                "a request is changed though nothing is wanted")
        }
        if policy.goal == .off || policy.goal == .text || injectionLimits == .nothing {
            try Violation.unless(prepared.injection.isEmpty, "something is injected that may not be")
        }

        // Undoing the changes in `client_fields` gives the agent's request.
        let sent = try JSONOracle.comparableTree(of: body).members ?? [:]
        guard var members = try JSONOracle.comparableTree(of: prepared.body).members else {
            throw Violation(description: "the forwarded request is no object")
        }
        for (name, value) in prepared.clientFields {
            let value = try value.map { try JSONOracle.comparableTree(of: $0) }
            let path = name.split(separator: ".", maxSplits: 1)
                .map { spelled(String($0)) }
            guard path.count == 2 else {
                members[spelled(name)] = value
                continue
            }
            guard var inner = members[path[0]]?.members else {
                throw Violation(description: "\(name) was set, but is not there")
            }
            inner[path[1]] = value
            // An object that was created for the field is removed with it.
            members[path[0]] = inner.isEmpty && sent[path[0]] == nil ? nil : .object(inner)
        }
        try Violation.unless(
            sent == members, "client_fields does not tell what was sent: \(prepared.clientFields.map(\.name))")
    }
}
