import Foundation

/// A reply that the proxy writes itself, as `Tests/e2e/test_endings.py` gives it to the official clients.
package struct EndingFixture: Codable, Equatable, Sendable {
    package var name: String
    package var path: String
    /// The agent's request.
    package var request: String
    package var status: Int
    package var headers: [String: String]
    package var body: String

    package init(
        name: String, path: String, request: String, status: Int = 200, headers: [String: String], body: String
    ) {
        self.name = name
        self.path = path
        self.request = request
        self.status = status
        self.headers = headers
        self.body = body
    }

    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures/endings")

    /// The replies in `file`, one a line. `UPDATE_FIXTURES=1` writes `replies` to it first.
    package static func stored(in file: String, after replies: [EndingFixture]) throws -> [EndingFixture] {
        let url = folder.appending(path: file)
        if ProcessInfo.processInfo.environment["UPDATE_FIXTURES"] == "1" {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            let lines = try replies.map { String(decoding: try encoder.encode($0), as: UTF8.self) + "\n" }
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try lines.joined().write(to: url, atomically: true, encoding: .utf8)
        }
        let lines = try String(contentsOf: url, encoding: .utf8).split(separator: "\n")
        return try lines.map { try JSONDecoder().decode(EndingFixture.self, from: Data($0.utf8)) }
    }
}
