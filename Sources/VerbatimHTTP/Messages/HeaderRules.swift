package import NIOHTTP1

/// Which headers an intermediary forwards, and how.
package enum HeaderRules {
    /// RFC 9110 §7.6.1 and what older implementations add. All lower case.
    private static let hopByHop = [
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade", "http2-settings",
    ]

    package struct Replacement: Equatable, Sendable {
        package let name: String
        package let value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// The headers of a request as they are forwarded, in their order and case.
    ///
    /// - Parameters:
    ///   - replacements: Each takes the place of the first header of its name, or is appended; further headers of that
    ///     name are dropped.
    ///   - dropped: Names, in lower case, that are not forwarded, in addition to the hop-by-hop headers.
    ///   - keepsFraming: Whether the body is forwarded as received; `Content-Length` must then not contradict chunks.
    package static func forwarded(
        _ headers: HTTPHeaders, replacements: [Replacement], dropped: [String], keepsFraming: Bool
    ) -> HTTPHeaders {
        let replaced = replacements.map { $0.name.lowercased() }
        var isPlaced = replaced.map { _ in false }

        var named = namedByConnection(headers)
        // A message must be framed in one way only, even if the parser accepts both headers.
        if keepsFraming && headers.contains(name: "transfer-encoding") { named.insert("content-length") }
        // The parser has validated the incoming headers; `add` would validate each again.
        var result: [(String, String)] = []
        result.reserveCapacity(headers.count + replacements.count)
        for (name, value) in headers {
            let lowercased = name.lowercased()
            if hopByHop.holds(lowercased) || named.contains(lowercased) || dropped.holds(lowercased) { continue }
            if let index = replaced.firstIndex(of: lowercased) {
                if !isPlaced[index] { result.append((name, replacements[index].value)) }
                isPlaced[index] = true
            } else {
                result.append((name, value))
            }
        }
        for (index, replacement) in replacements.enumerated() where !isPlaced[index] {
            result.append((replacement.name, replacement.value))
        }
        return HTTPHeaders(result)
    }

    /// How a response's `Content-Length` is treated.
    package enum LengthRule: Sendable {
        case keep
        /// The body was edited.
        case replace(Int)
        /// The body is sent in chunks.
        case remove
    }

    /// The headers of the upstream's response as the client gets them: in their order and case, without hop-by-hop
    /// ones.
    package static func returned(_ headers: HTTPHeaders, length: LengthRule) -> HTTPHeaders {
        let named = namedByConnection(headers)
        var result: [(String, String)] = []
        result.reserveCapacity(headers.count + 2)
        for (name, value) in headers {
            let lowercased = name.lowercased()
            if hopByHop.holds(lowercased) || named.contains(lowercased) { continue }
            guard lowercased == "content-length" else {
                result.append((name, value))
                continue
            }
            switch length {
            case .keep: result.append((name, value))
            case .replace(let count): result.append((name, String(count)))
            case .remove: break
            }
        }
        return HTTPHeaders(result)
    }

    /// The names in `Connection`, without the one that frames the message: an intermediary must not lose that. A client
    /// can have its own headers dropped this way, but not the replacements.
    private static func namedByConnection(_ headers: HTTPHeaders) -> Set<String> {
        let named = headers[canonicalForm: "connection"]
        return named.isEmpty ? [] : Set(named.map { $0.lowercased() }).subtracting(["content-length"])
    }
}

extension [String] {
    /// Whether `name` is one of them. The length mostly decides, which costs less than a hash.
    fileprivate func holds(_ name: String) -> Bool {
        contains { $0.utf8.count == name.utf8.count && $0 == name }
    }
}

extension HTTPHeaders {
    /// Drops white space after values: it is not part of them (RFC 9112 §5), but the parser leaves it there. Headers
    /// that frame the message stay as they came, because others may read them differently.
    package mutating func dropTrailingSpace() {
        func isSpace(_ byte: UInt8?) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        guard contains(where: { isSpace($0.value.utf8.last) }) else { return }
        self = HTTPHeaders(
            map { name, value in
                if ["content-length", "transfer-encoding"].contains(name.lowercased()) { return (name, value) }
                let end = value.utf8.lastIndex { !isSpace($0) }.map { value.utf8.index(after: $0) }
                return (name, String(value[..<(end ?? value.startIndex)]))
            })
    }
}
