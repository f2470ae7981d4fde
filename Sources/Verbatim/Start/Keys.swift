import VerbatimSchema
import VerbatimHTTP
import VerbatimProxy

/// The keys that a configuration states directly or in files, checked.
struct Keys {
    /// The keys that authorize agents.
    let agents: [AccessKey]
    /// The one that is sent to the engine in place of the agent's.
    let upstream: String?

    init(_ configuration: ProxyConfiguration, files: SettingFiles) throws(ProxyError) {
        upstream = try Self.upstream(configuration, files)
        agents = try Self.agents(configuration, files)
    }

    private static let rule = "a key must not be empty or hold spaces, line breaks or non-ASCII characters"

    private static func upstream(
        _ configuration: ProxyConfiguration, _ files: SettingFiles
    ) throws(ProxyError) -> String? {
        if let key = configuration.upstreamAPIKey {
            guard configuration.upstreamAPIKeyFile == nil else {
                throw ProxyError(.invalidConfiguration, "upstream-api-key and upstream-api-key-file: give one of them")
            }
            guard AccessKey.isValid(key) else {
                throw ProxyError(.invalidConfiguration, "upstream-api-key: \(rule)")
            }
            return key
        }
        guard let path = configuration.upstreamAPIKeyFile else { return nil }
        let file = try files.readSecret(path, of: "upstream-api-key-file")
        let lines = file.lines
        guard lines.count == 1 else {
            throw file.invalid(lines.isEmpty ? "holds no key" : "holds more than one line: expected one key")
        }
        guard AccessKey.isValid(lines[0].text) else { throw file.invalid("line \(lines[0].number): \(rule)") }
        return lines[0].text
    }

    private static func agents(
        _ configuration: ProxyConfiguration, _ files: SettingFiles
    ) throws(ProxyError) -> [AccessKey] {
        var keys: [(source: String, key: APIKey)] = configuration.apiKeys.map { ("api-key", $0) }
        if let path = configuration.apiKeyFile {
            let file = try files.readSecret(path, of: "api-key-file")
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
            guard AccessKey.isValid(key.key) else { throw invalid(rule) }
            if !seen.insert(key.key).inserted { throw invalid("the same key is given twice") }
            if let session = key.session, !SessionID.isValid(session) { throw invalid(SessionID.rule) }
        }
        try checkSessions(of: keys.map(\.key))
        return keys.map { AccessKey($0.key.key, session: $0.key.session) }
    }

    /// Refuses a key of a session that lies within another key's session: the sub-agents of session `a` have sessions
    /// `a:…`.
    private static func checkSessions(of keys: [APIKey]) throws(ProxyError) {
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
