import VerbatimJSON
import NIOHTTP1

/// What must not stand in a record although an engine may repeat it: `Incorrect API key provided: sk-…`.
struct Secrets: Sendable {
    /// Shorter ones are words (`EMPTY`, `dummy`) that engines use for other things, too.
    static let minimumLength = 8

    private static let mask = Array("[redacted]".utf8)
    /// What is compared of a secret to find it; more of it goes with that.
    private static let prefixLength = 32
    /// In longer texts an agent's own are not looked for, nor more of them: it chooses them, and could make the search long.
    private static let limits = (text: 64 << 10, secrets: 8)

    /// Those of the settings.
    var configured: [String] = []
    /// The agent's, which hold its own.
    var headers: HTTPHeaders = [:]

    private func secrets(in text: [UInt8]) -> [[UInt8]] {
        let sent = text.count > Self.limits.text ? [] : KeyCheck.credentialHeaders.flatMap { headers[$0] }
        let texts = configured + sent.map { String(KeyCheck.credential($0)) }.prefix(Self.limits.secrets)
        // What JSON would write otherwise is no key that anybody has.
        return texts.map { Array($0.utf8) }.filter { secret in
            secret.count >= Self.minimumLength
                && secret.allSatisfy { $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
        }
    }

    /// A text with `[redacted]` for each secret.
    func masked(_ text: String) -> String {
        String(decoding: masked(Array(text.utf8), isJSON: false), as: UTF8.self)
    }

    /// The text with `[redacted]` for each secret, of JSON only within strings, so that it stays JSON.
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
                // An escape is no part of a secret, and must stay whole.
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

    /// A record's `response` with its `upstream_error` masked, if it has one: nothing else of a reply is touched.
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
