import VerbatimPlatform

/// How the same path can be spelled, and what it can be taken for.
///
/// Engines resolve percent-escapes before they look for a route, some also dot segments and empty ones, and a server in
/// front of them may do more. An agent must not get past capture by a spelling that an engine understands and the proxy
/// does not, so that routes are looked up here, in the plainest form of the path.
struct PathSpelling: Hashable {
    /// What no engine may be asked for.
    enum Fault: Hashable {
        /// `%00`: the path ends there for whoever keeps it as a C string.
        case nul
        /// Dot segments lead above the root.
        case aboveRoot
    }

    /// Percent-escapes of unreserved characters are resolved, dot segments as well; there are no empty segments, and no
    /// slash at the end. By RFC 3986 §6.2.2 the same path, but for the slashes.
    let plain: String
    /// In lower case, as somebody might read the path who resolves more than he should: every escape, also those that
    /// come about by that; `\` for `/`; white space and control characters away. Once up to `?`, `#` or `;` within, and
    /// once beyond. Empty if there is nothing of the kind in the path.
    let loose: [String]
    let fault: Fault?

    /// So often an escape of an escape is resolved.
    private static let rounds = 4

    /// - Parameter path: Without the query.
    init(_ path: String) {
        let source = Array(path.utf8)
        if Self.isPlain(source) {
            plain = path
            loose = []
            fault = nil
            return
        }
        let resolved = Self.joined(PercentEncoding.decoded(source, where: Self.isUnreserved))
        plain = resolved.path
        var bytes = source
        for _ in 0..<Self.rounds where bytes.contains(UInt8(ascii: "%")) { bytes = PercentEncoding.decoded(bytes) }
        fault = bytes.contains(0) ? .nul : resolved.isAboveRoot ? .aboveRoot : nil
        let visible = bytes.filter { $0 > 0x20 && $0 != 0x7F }.map { $0 == UInt8(ascii: "\\") ? UInt8(ascii: "/") : $0 }
        let readings = [visible, Self.withoutParameters(visible)].map { Self.joined($0).path.lowercased() }
        loose = readings[0] == readings[1] ? [readings[0]] : readings
    }

    /// Whether there is nothing to be resolved, as in nearly every path.
    private static func isPlain(_ path: [UInt8]) -> Bool {
        var last = UInt8(ascii: "x")
        for byte in path {
            switch byte {
            case UInt8(ascii: "%"), UInt8(ascii: "\\"), UInt8(ascii: ";"), UInt8(ascii: "#"): return false
            case UInt8(ascii: "/"), UInt8(ascii: "."): if last == UInt8(ascii: "/") { return false }
            default: if byte <= 0x20 || byte >= 0x7F { return false }
            }
            last = byte
        }
        return path.count == 1 || last != UInt8(ascii: "/")
    }

    /// Without what follows `?` or `#`, and without `;…` in each segment.
    private static func withoutParameters(_ path: [UInt8]) -> [UInt8] {
        let path = path.prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
        return Array(
            path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
                .map { $0.prefix { $0 != UInt8(ascii: ";") } }.joined(separator: "/".utf8))
    }

    /// Without empty and dot segments.
    private static func joined(_ path: [UInt8]) -> (path: String, isAboveRoot: Bool) {
        var segments: [ArraySlice<UInt8>] = []
        var isAboveRoot = false
        for segment in path.split(separator: UInt8(ascii: "/")) {
            if segment.elementsEqual(".".utf8) { continue }
            if segment.elementsEqual("..".utf8) {
                if segments.popLast() == nil { isAboveRoot = true }
            } else {
                segments.append(segment)
            }
        }
        return ("/" + String(decoding: Array(segments.joined(separator: "/".utf8)), as: UTF8.self), isAboveRoot)
    }

    /// RFC 3986 §2.3
    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
