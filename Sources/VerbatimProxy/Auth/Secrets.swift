import VerbatimJSON
import NIOHTTP1
import VerbatimPlatform

/// Removes secrets from texts of an engine, which may repeat them: `Incorrect API key provided: sk-…`.
struct Secrets: Sendable {
    /// Shorter values are words such as `EMPTY` or `dummy` that appear in other texts as well.
    static let minimumLength = 8

    private static let mask = Array("[redacted]".utf8)
    /// A secret is found by its first bytes; as much of it as follows is masked too.
    private static let prefixLength = 32
    /// The agent's own secrets are masked up to these limits only: the agent chooses them and could make the search
    /// slow.
    private static let limits = (text: 64 << 10, secrets: 8)

    /// The secrets in the settings.
    var configured: [String] = []
    /// The request's headers, which hold the agent's secrets.
    var headers: HTTPHeaders = [:]

    private func secrets(in text: [UInt8]) -> [[UInt8]] {
        let sent = text.count > Self.limits.text ? [] : KeyCheck.credentialHeaders.flatMap { headers[$0] }
        let texts = configured + sent.map { String(KeyCheck.credential($0)) }.prefix(Self.limits.secrets)
        return texts.flatMap(Self.spellings).filter { $0.count >= Self.minimumLength }
    }

    /// The secret as it is written, and, of a query's parameter, as it is meant.
    private static func spellings(of secret: String) -> [[UInt8]] {
        let bytes = Array(secret.utf8)
        let meant = PercentEncoding.decoded(bytes)
        return meant == bytes ? [bytes] : [bytes, meant]
    }

    /// Returns the text with `[redacted]` in place of each secret.
    func masked(_ text: String) -> String {
        String(decoding: masked(Array(text.utf8), isJSON: false), as: UTF8.self)
    }

    /// Masks secrets, in whatever form they are written; in JSON only within strings, so that it stays valid.
    private func masked(_ text: [UInt8], isJSON: Bool) -> [UInt8] {
        let secrets = secrets(in: text)
        if secrets.isEmpty { return text }
        let spelled = EscapedText(text, isJSON: isJSON)
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var isString = !isJSON
        var index = 0
        while index < text.count {
            let byte = text[index]
            var length = 1
            if isJSON && byte == UInt8(ascii: "\"") {
                isString.toggle()
            } else if isString, let found = Self.lengthOfSecret(secrets, in: spelled, at: index, mayBeCut: !isJSON) {
                result += Self.mask
                index += found
                continue
            } else if isJSON && isString && byte == UInt8(ascii: "\\") {
                // An escape must stay whole.
                length = index + 1 < text.count && text[index + 1] == UInt8(ascii: "u") ? 6 : 2
            }
            result += text[index..<min(index + length, text.count)]
            index += length
        }
        return result
    }

    /// The number of bytes that a secret takes which begins at `index`; nil if none does.
    private static func lengthOfSecret(
        _ secrets: [[UInt8]], in text: EscapedText, at index: Int, mayBeCut: Bool
    ) -> Int? {
        for secret in secrets {
            let (matched, length) = text.match(secret, at: index)
            if matched >= min(prefixLength, secret.count) { return length }
            // A text that was cut may end within the secret.
            if mayBeCut, matched >= minimumLength, text.isCutEscape(at: index + length) { return length }
        }
        return nil
    }

    /// Masks a record's `upstream_error`, if there is one. The rest of the reply stays as it is.
    func masked(response: JSONText) -> JSONText {
        let bytes = response.bytes
        let text = bytes.span
        guard
            let error = (try? JSONObject(document: text, options: .nonFiniteNumbers))?.value("upstream_error", in: text)
        else { return response }
        let masked = masked(Array(bytes[error.range]), isJSON: true)
        return JSONText(bytes[..<error.range.lowerBound] + masked + bytes[error.range.upperBound...])
    }
}
