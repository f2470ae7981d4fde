import VerbatimJSON
import VerbatimPlatform

/// Recognizes an engine by what it sends anyway, without a request of its own.
package enum EngineRecognition {
    /// Returns the engine at a host.
    package static func profile(forHost host: String) -> EngineProfile? {
        let host = host.lowercased()
        return EngineProfile.all.first { profile in
            profile.fingerprint.hosts.contains { $0.first == "." ? host.hasSuffix($0) : host == $0 }
        }
    }

    /// Returns the engine that sends a reply header.
    package static func profile(forHeader name: String, value: String) -> EngineProfile? {
        // The length alone rules out nearly all headers.
        guard tellingLengths.contains(name.utf8.count) else { return nil }
        let name = name.lowercased()
        if name == "server" {
            let value = value.lowercased()
            return EngineProfile.all.first { $0.fingerprint.server.map(value.hasPrefix) ?? false }
        }
        return EngineProfile.all.first { $0.fingerprint.headers.contains(name) }
    }

    /// The lengths of all header names that identify an engine.
    private static let tellingLengths = Set(
        (EngineProfile.all.flatMap(\.fingerprint.headers) + ["server"]).map(\.utf8.count)
    )
    .sorted()

    /// Returns the engine that writes `owner` into `owned_by` of a list of models.
    package static func profile(forOwner owner: String) -> EngineProfile? {
        EngineProfile.all.first { $0.fingerprint.owners.contains(owner) }
    }

    /// Returns the engine that sends a `system_fingerprint`.
    package static func profile(forFingerprint fingerprint: String) -> EngineProfile? {
        let fingerprint = Array(fingerprint.utf8)
        return fingerprints.first { EngineFingerprint.matches(fingerprint, $0.pattern) }?.profile
    }

    /// The patterns as bytes, since each reply is compared with them.
    private static let fingerprints = EngineProfile.all.flatMap { profile in
        profile.fingerprint.systemFingerprints.map { (pattern: Array($0.utf8), profile: profile) }
    }

    /// Returns the engine that refuses a request with `message`.
    package static func profile(forRefusal message: String) -> EngineProfile? {
        EngineProfile.all.first { $0.fingerprint.refusals.contains { message.contains(text: $0) } }
    }

    /// Returns the engine that sends a reply, or an event of one, by its fingerprint, its own fields, those of its
    /// choices, or those of their log-probability entries.
    package static func profile(forReply document: Span<UInt8>) -> EngineProfile? {
        guard let reply = try? JSONObject(scanning: document, options: .nonFiniteNumbers) else { return nil }
        if let fingerprint = reply.value("system_fingerprint", in: document)?.string(in: document),
            let profile = profile(forFingerprint: fingerprint)
        {
            return profile
        }
        // Events of the API `responses` have the response in a field.
        let response = object(reply.value("response", in: document), in: document)
        let choice = first(of: reply.value("choices", in: document), in: document)
        let logprobs = object(choice?.value("logprobs", in: document), in: document)
        let entry = first(of: logprobs?.value("content", in: document), in: document)
        // One profile after the other: an engine that is built after another one has all keys of that one.
        return EngineProfile.all.first { profile in
            let fingerprint = profile.fingerprint
            return has(fingerprint.replyKeys, reply, in: document) || has(fingerprint.replyKeys, response, in: document)
                || has(fingerprint.choiceKeys, choice, in: document)
                || hasAll(fingerprint.entryKeys, entry, in: document)
        }
    }

    private static func has(_ keys: [String], _ object: JSONObject?, in text: Span<UInt8>) -> Bool {
        guard let object else { return false }
        for key in keys where object.member(named: key, in: text) != nil { return true }
        return false
    }

    private static func hasAll(_ keys: [String], _ object: JSONObject?, in text: Span<UInt8>) -> Bool {
        guard let object, !keys.isEmpty else { return false }
        return keys.allSatisfy { object.member(named: $0, in: text) != nil }
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
