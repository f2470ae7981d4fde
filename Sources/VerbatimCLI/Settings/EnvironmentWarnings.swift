import Logging
import Verbatim
import VerbatimPlatform

/// What an environment seems to say that the proxy does not listen to.
struct EnvironmentWarnings {
    /// A variable that resembles a setting's variable, and the variable that it resembles.
    struct Misspelling: Hashable {
        let variable: String
        let nearest: String?
    }

    /// Returns the misspelled ones among the names of all variables.
    static func misspellings(among names: [String]) -> [Misspelling] {
        let known = Setting.all.flatMap(\.variables)
        return names.filter { isMeant($0) && !known.contains($0) }.sorted().map { name in
            let nearest = known.map { ($0, distance(Array($0.utf8), Array(name.utf8))) }.min { $0.1 < $1.1 }
            // A third of the letters behind the prefix may be wrong.
            let limit = max(2, (name.utf8.count - prefix.utf8.count) / 3)
            return Misspelling(variable: name, nearest: nearest.flatMap { $0.1 <= limit ? $0.0 : nil })
        }
    }

    private static let prefix = "VERBATIM_"

    /// Whether the operator set it for the proxy: Kubernetes adds variables of its own for a service of that name.
    private static func isMeant(_ name: String) -> Bool {
        name.hasPrefix(prefix) && !name.hasPrefix("VERBATIM_SERVICE_") && !name.hasPrefix("VERBATIM_PORT_")
    }

    /// Returns the variables that other programs obey on the way to an `https:` engine and the proxy does not.
    ///
    /// - Parameter value: Of a variable.
    static func ignored(_ configuration: ProxyConfiguration, value: (String) -> String?) -> [String] {
        guard configuration.upstreamURL.lowercased().hasPrefix("https://") else { return [] }
        func isSet(_ name: String) -> Bool { !(value(name) ?? "").isEmpty }
        var names: [String] = []
        let excepted = (value("NO_PROXY") ?? "") + "," + (value("no_proxy") ?? "")
        if configuration.upstreamProxy == nil, !isExcepted(configuration.upstreamURL, from: excepted) {
            names += ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"].filter(isSet)
        }
        if configuration.upstreamCA == nil { names += ["SSL_CERT_FILE", "SSL_CERT_DIR"].filter(isSet) }
        return names
    }

    /// Whether `NO_PROXY` names the URL's host or a domain above it.
    private static func isExcepted(_ url: String, from list: String) -> Bool {
        let authority = url.dropFirst("https://".count).prefix { $0 != "/" && $0 != "?" }
        let host = authority.prefix { $0 != ":" }.lowercased()
        return list.lowercased().split { $0 == "," || $0 == " " }.contains { entry in
            let name = entry.prefix { $0 != ":" }.drop { $0 == "*" }.drop { $0 == "." }
            return entry == "*" || !name.isEmpty && (host == name || host.hasSuffix("." + name))
        }
    }

    /// How many letters must be added, removed or changed.
    private static func distance(_ one: [UInt8], _ other: [UInt8]) -> Int {
        var row = Array(0...other.count)
        for (i, letter) in one.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, otherLetter) in other.enumerated() {
                let changed = diagonal + (letter == otherLetter ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(changed, diagonal + 1, row[j] + 1)
            }
        }
        return row[other.count]
    }
}

extension EnvironmentWarnings {
    /// Logs what is ignored. Never a value: an address may hold a password.
    static func log(_ configuration: ProxyConfiguration) {
        for misspelling in misspellings(among: Environment.names) {
            configuration.logger.warning(
                "an environment variable is unknown and has no effect",
                metadata: [
                    "variable": "\(misspelling.variable)", "nearest": "\(misspelling.nearest ?? "-")",
                ])
        }
        let names = ignored(configuration, value: Environment.value)
        if !names.isEmpty {
            configuration.logger.warning(
                """
                environment variables for the way to the engine have no effect: --upstream-proxy names a \
                proxy to go through, and --upstream-ca the certificates to trust
                """, metadata: ["variables": "\(names.joined(separator: ","))"])
        }
    }
}
