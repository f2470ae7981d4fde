import VerbatimPlatform

/// A path with an optional prefix that names a session: `/sessions/{id}/v1/…`.
struct SessionPath: Hashable {
    /// The id with its percent-encoding resolved, not validated; `nil` if the path names no session.
    let id: String?
    /// The path without the prefix.
    let path: String

    private static let prefix = "/sessions/"

    /// - Parameter path: Without the query. Only a prefix of `/v1` or `/v1/…` counts; other paths belong to the engine.
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
