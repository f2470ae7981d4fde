import VerbatimProxy

/// A key that agents send to be let in.
public struct APIKey: Hashable, Sendable {
    public let key: String
    /// The session that all turns with this key belong to; `nil` if the agent may name any.
    public let session: String?

    public init(_ key: String, session: String? = nil) {
        self.key = key
        self.session = session
    }
}

extension APIKey: CustomStringConvertible {
    /// Without the key, so that no log tells it.
    public var description: String { session.map { "a key of session \($0)" } ?? "a key" }
}

extension ProxyConfiguration {
    /// The keys of ``apiKeys`` and ``apiKeyFile``, checked.
    func accessKeys() throws(ProxyError) -> [AccessKey] {
        var keys: [(source: String, key: APIKey)] = apiKeys.map { ("api-key", $0) }
        if let apiKeyFile {
            let file = try secretFile(apiKeyFile, of: "api-key-file")
            let lines = file.lines
            if lines.isEmpty { throw file.invalid("holds no key") }
            for line in lines {
                let words = line.text.split { $0 == " " || $0 == "\t" }.map(String.init)
                if words.count > 2 { throw file.invalid("line \(line.number): expected KEY or KEY SESSION") }
                let source = "api-key-file: '\(file.path)' line \(line.number)"
                keys.append((source, APIKey(words[0], session: words.count == 2 ? words[1] : nil)))
            }
        }
        var seen: Set<String> = []
        for (source, key) in keys {
            func invalid(_ reason: String) -> ProxyError { ProxyError(.invalidConfiguration, "\(source): \(reason)") }
            guard AccessKey.isValid(key.key) else { throw invalid(Self.keyRule) }
            if !seen.insert(key.key).inserted { throw invalid("the same key is given twice") }
            if let session = key.session, !SessionID.isValid(session) { throw invalid(SessionID.rule) }
        }
        try checkSessions(of: keys.map(\.key))
        return keys.map { AccessKey($0.key.key, session: $0.key.session) }
    }

    static let keyRule = "a key must not be empty or hold spaces, line breaks or non-ASCII characters"

    /// A sub-agent of session `a` has the session `a:…`, so that no key of its own may be bound to one.
    private func checkSessions(of keys: [APIKey]) throws(ProxyError) {
        let sessions = Set(keys.compactMap(\.session))
        for session in sessions {
            var root = session[...]
            while let colon = root.lastIndex(of: ":") {
                root = root[..<colon]
                guard sessions.contains(String(root)) else { continue }
                throw ProxyError(
                    .invalidConfiguration,
                    "api-key-file: session \(session) lies within session \(root), which has a key of its own")
            }
        }
    }
}
