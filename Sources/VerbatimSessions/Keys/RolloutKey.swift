import VerbatimPlatform

/// The key of a rollout's agents: it names the rollout, so that no table of all keys is needed.
///
/// `vk1.<rollout id>.<48 hexadecimal digits>`: 192 random bits. Only its hash is stored.
package enum RolloutKey {
    private static let prefix = "vk1."
    private static let secretLength = 48

    /// Makes a new key.
    package static func mint(for rollout: String) -> String {
        var generator = SystemRandomNumberGenerator()
        let secret = (0..<3).map { _ in
            let digits = String(generator.next() as UInt64, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }
        return prefix + rollout + "." + secret.joined()
    }

    /// The rollout that a key names; nil if the text has not the form of such a key.
    package static func rollout(of key: Substring) -> String? {
        guard key.hasPrefix(prefix), let dot = key.lastIndex(of: "."), dot >= key.index(key.startIndex, offsetBy: 4),
            key[key.index(after: dot)...].utf8.count == secretLength
        else { return nil }
        return String(key[key.index(key.startIndex, offsetBy: prefix.count)..<dot])
    }

    /// The SHA-256 of a key, in hexadecimal digits. Comparing hashes tells nothing about the key by its time.
    package static func hash(_ key: Substring) -> String { SHA256.hexadecimal(Array(key.utf8)) }
}
