import VerbatimPlatform

/// A path that may begin with the name of a session: `/sessions/{id}/v1/…`.
struct SessionPath: Hashable {
    /// The id without its percent-encoding, unchecked; `nil` if the path names no session.
    let id: String?
    /// What follows the prefix, or the whole path if it names no session.
    let path: String

    private static let prefix = "/sessions/"

    /// - Parameter path: Without the query. Only in front of `/v1` or `/v1/…` is the prefix one: all else is the engine's.
    init(_ path: String) {
        guard path.utf8.starts(with: Self.prefix.utf8), case let rest = path.utf8.dropFirst(Self.prefix.utf8.count),
            let end = rest.firstIndex(of: UInt8(ascii: "/")),
            rest[end...].elementsEqual("/v1".utf8) || rest[end...].starts(with: "/v1/".utf8)
        else {
            id = nil
            self.path = path
            return
        }
        // A `%` that is left makes the id invalid.
        id = String(decoding: PercentEncoding.decoded(Array(rest[..<end])), as: UTF8.self)
        self.path = String(path[end...])
    }
}
