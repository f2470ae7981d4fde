/// What identifies an engine in what it sends anyway.
package struct EngineFingerprint: Hashable, Sendable {
    /// Names of hosts. A name that begins with a dot matches every host that ends with it.
    package var hosts: [String] = []
    /// The start of the header `Server`, in lower case.
    package var server: String?
    /// Names of reply headers, in lower case.
    package var headers: [String] = []
    /// Values of `owned_by` in a list of models.
    package var owners: [String] = []
    /// Patterns of `system_fingerprint`: `#` matches digits, a final `*` anything.
    package var systemFingerprints: [String] = []
    /// Whether `system_fingerprint` names the engine's version, so that another value shows an upgrade.
    package var systemFingerprintIsVersion = false
    /// Fields of a reply or of an event.
    package var replyKeys: [String] = []
    /// Fields of a choice.
    package var choiceKeys: [String] = []
    /// Fields of an entry of log-probabilities, which has all of them.
    package var entryKeys: [String] = []
    /// Parts of error messages that only this engine uses when it refuses a request.
    package var refusals: [String] = []

    /// Whether a fingerprint matches a pattern, one of ``systemFingerprints``.
    static func matches(_ fingerprint: [UInt8], _ pattern: [UInt8]) -> Bool {
        var rest = fingerprint[...]
        var symbols = pattern[...]
        while let symbol = symbols.popFirst() {
            if symbol == UInt8(ascii: "*") && symbols.isEmpty { return true }
            if symbol == UInt8(ascii: "#") {
                let digits = rest.prefix { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
                if digits.isEmpty { return false }
                rest = rest.dropFirst(digits.count)
            } else if rest.popFirst() != symbol {
                return false
            }
        }
        return rest.isEmpty
    }
}
