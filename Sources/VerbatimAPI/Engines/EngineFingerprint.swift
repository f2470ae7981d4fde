/// What an engine sends anyway that gives it away.
package struct EngineFingerprint: Hashable, Sendable {
    /// Names of hosts; those that begin with a dot stand for every host that ends so.
    var hosts: [String] = []
    /// How the header `Server` begins, in lower case.
    var server: String?
    /// Names of headers of replies, in lower case.
    var headers: [String] = []
    /// Values of `owned_by` in a list of models.
    var owners: [String] = []
    /// Forms of `system_fingerprint`: `#` stands for digits, a final `*` for anything.
    var fingerprints: [String] = []
    /// Whether `system_fingerprint` names the engine's version, so that another value tells of an upgrade.
    var fingerprintIsVersion = false
    /// Fields of a reply or of an event.
    var replyKeys: [String] = []
    /// Fields of a choice.
    var choiceKeys: [String] = []
    /// Fields of an entry of log-probabilities.
    var entryKeys: [String] = []
    /// Parts of the wording of a refusal that only this engine uses.
    var refusals: [String] = []

    /// Whether a fingerprint has that form, one of ``fingerprints``.
    static func matches(_ fingerprint: [UInt8], _ form: [UInt8]) -> Bool {
        var rest = fingerprint[...]
        var symbols = form[...]
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
