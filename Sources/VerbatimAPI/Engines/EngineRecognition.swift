import VerbatimJSON
import VerbatimPlatform

/// Recognises an engine by what it sends anyway; nothing is asked of it for this.
package enum EngineRecognition {
    /// By the host it is reached at.
    package static func profile(forHost host: String) -> EngineProfile? {
        let host = host.lowercased()
        return EngineProfile.all.first { profile in
            profile.marks.hosts.contains { $0.first == "." ? host.hasSuffix($0) : host == $0 }
        }
    }

    /// By a header of a reply.
    package static func profile(forHeader name: String, value: String) -> EngineProfile? {
        // Mostly the length tells.
        guard tellingLengths.contains(name.utf8.count) else { return nil }
        let name = name.lowercased()
        if name == "server" {
            let value = value.lowercased()
            return EngineProfile.all.first { $0.marks.server.map(value.hasPrefix) ?? false }
        }
        return EngineProfile.all.first { $0.marks.headers.contains(name) }
    }

    /// Of the names of headers that may say something.
    private static let tellingLengths = Set((EngineProfile.all.flatMap(\.marks.headers) + ["server"]).map(\.utf8.count))
        .sorted()

    /// By `owned_by` in a list of models.
    package static func profile(forOwner owner: String) -> EngineProfile? {
        EngineProfile.all.first { $0.marks.owners.contains(owner) }
    }

    /// By `system_fingerprint`.
    package static func profile(forFingerprint fingerprint: String) -> EngineProfile? {
        let fingerprint = Array(fingerprint.utf8)
        return fingerprints.first { EngineFingerprint.matches(fingerprint, $0.form) }?.profile
    }

    /// Looked through for each reply.
    private static let fingerprints = EngineProfile.all.flatMap { profile in
        profile.marks.fingerprints.map { (form: Array($0.utf8), profile: profile) }
    }

    /// By the wording of a refusal that only one engine uses.
    package static func profile(forRefusal message: String) -> EngineProfile? {
        EngineProfile.all.first { $0.marks.refusals.contains { message.contains(text: $0) } }
    }

    /// By the fields of a reply, or of an event of one: its fingerprint first, then its own fields, those of its
    /// choices, and those of their entries of log-probabilities.
    package static func profile(forReply document: Span<UInt8>) -> EngineProfile? {
        guard let reply = try? JSONObject(scanning: document, options: .nonFiniteNumbers) else { return nil }
        if let fingerprint = reply.value("system_fingerprint", in: document)?.string(in: document),
            let profile = profile(forFingerprint: fingerprint)
        {
            return profile
        }
        // Events of responses carry the response in a field.
        let response = object(reply.value("response", in: document), in: document)
        let choice = first(of: reply.value("choices", in: document), in: document)
        let logprobs = object(choice?.value("logprobs", in: document), in: document)
        let entry = first(of: logprobs?.value("content", in: document), in: document)
        // Profile by profile, because an engine built after another has all keys of that one.
        return EngineProfile.all.first { profile in
            let marks = profile.marks
            return has(marks.replyKeys, reply, in: document) || has(marks.replyKeys, response, in: document)
                || has(marks.choiceKeys, choice, in: document)
                || has(marks.entryKeys, entry, in: document)
        }
    }

    private static func has(_ keys: [String], _ object: JSONObject?, in text: Span<UInt8>) -> Bool {
        guard let object else { return false }
        for key in keys where object.member(named: key, in: text) != nil { return true }
        return false
    }

    private static func object(_ value: JSONValue?, in text: Span<UInt8>) -> JSONObject? {
        guard let value else { return nil }
        return try? JSONObject(scanning: text, at: value.range.lowerBound, options: .nonFiniteNumbers)
    }

    /// The first element of an array, if it is an object.
    private static func first(of array: JSONValue?, in text: Span<UInt8>) -> JSONObject? {
        guard let array, array.kind == .array else { return nil }
        var cursor = JSONCursor(at: array.range.lowerBound, options: .nonFiniteNumbers)
        guard (try? cursor.enterArray(in: text)) != nil, (try? cursor.nextElement(in: text)) == true else { return nil }
        return try? JSONObject(scanning: text, at: cursor.offset, options: .nonFiniteNumbers)
    }
}
