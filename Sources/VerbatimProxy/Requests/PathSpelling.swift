import VerbatimPlatform

/// The forms in which a path can be read.
///
/// Engines resolve percent-escapes before they look up a route, some also dot segments and empty segments, and a server
/// in front of them may do more. An agent must not avoid capture by a spelling that an engine understands and the proxy
/// does not. Routes are therefore looked up in the plainest form of the path.
struct PathSpelling: Hashable {
    /// Paths that are never forwarded.
    enum Fault: Hashable {
        /// `%00`: a server that keeps the path as a C string would end it there.
        case nul
        /// Dot segments lead above the root.
        case aboveRoot
    }

    /// The path with percent-escapes of unreserved characters and dot segments resolved, without empty segments and
    /// without a slash at the end. Apart from the slashes it is the same path by RFC 3986 §6.2.2.
    let plain: String
    /// The path as an overly lenient server might read it, in lower case: every escape resolved, also those that result
    /// from resolving; `\` read as `/`; white space and control characters removed. Once with what follows an inner
    /// `?`, `#` or `;`, and once without. Empty if the path has nothing of that kind.
    let loose: [String]
    let fault: Fault?

    /// How often escapes of escapes are resolved.
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

    /// Whether nothing has to be resolved, as in nearly every path.
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
