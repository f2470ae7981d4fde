import NIOHTTP1

/// The codings of a body (RFC 9110 §8.4).
enum ContentCoding {
    /// What stands for no coding. Some servers name the character set here.
    private static let identities: Set<String> = [
        "", "identity", "none", "null", "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "7bit", "8bit", "binary",
    ]

    /// Whether the body is not compressed, as far as the headers tell.
    static func isIdentity(_ headers: HTTPHeaders) -> Bool {
        guard headers.contains(name: "content-encoding") else { return true }
        return headers[canonicalForm: "content-encoding"].allSatisfy { coding in
            identities.contains(coding.lowercased().filter { $0 != " " && $0 != "\"" })
        }
    }
}
