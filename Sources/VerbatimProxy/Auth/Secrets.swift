import VerbatimJSON
import NIOHTTP1

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
        // Keys do not contain characters that JSON escapes.
        return texts.map { Array($0.utf8) }.filter { secret in
            secret.count >= Self.minimumLength
                && secret.allSatisfy { $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
        }
    }

    /// Returns the text with `[redacted]` in place of each secret.
    func masked(_ text: String) -> String {
        String(decoding: masked(Array(text.utf8), isJSON: false), as: UTF8.self)
    }

    /// Masks secrets; in JSON only within strings, so that it stays valid.
    private func masked(_ text: [UInt8], isJSON: Bool) -> [UInt8] {
        let secrets = secrets(in: text)
        if secrets.isEmpty { return text }
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var isString = !isJSON
        var index = 0
        while index < text.count {
            let byte = text[index]
            var length = 1
            if isJSON && byte == UInt8(ascii: "\"") {
                isString.toggle()
            } else if isJSON && isString && byte == UInt8(ascii: "\\") {
                // An escape is not part of a secret and must stay whole.
                length = index + 1 < text.count && text[index + 1] == UInt8(ascii: "u") ? 6 : 2
            } else if isString,
                let secret = secrets.first(where: {
                    Self.begins(text[index...], with: $0) || (!isJSON && Self.isCut(text[index...], $0))
                })
            {
                result += Self.mask
                index += zip(text[index...], secret).prefix { $0 == $1 }.count
                continue
            }
            result += text[index..<min(index + length, text.count)]
            index += length
        }
        return result
    }

    private static func begins(_ text: ArraySlice<UInt8>, with secret: [UInt8]) -> Bool {
        text.starts(with: secret.prefix(prefixLength))
    }

    /// Whether a text that was cut ends within the secret.
    private static func isCut(_ text: ArraySlice<UInt8>, _ secret: [UInt8]) -> Bool {
        minimumLength..<prefixLength ~= text.count && secret.starts(with: text)
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
