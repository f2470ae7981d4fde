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
        id = Self.decode(Array(rest[..<end]))
        self.path = String(path[end...])
    }

    /// Resolves `%XX`. What is not that stays, and its `%` makes it no valid id.
    private static func decode(_ source: [UInt8]) -> String {
        var bytes: [UInt8] = []
        var index = 0
        while index < source.count {
            if source[index] == UInt8(ascii: "%"), let byte = HexDigits.byte(in: source, at: index + 1) {
                bytes.append(byte)
                index += 3
            } else {
                bytes.append(source[index])
                index += 1
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
