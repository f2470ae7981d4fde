import Foundation
import Testing

@Suite("Documentation")
struct DocumentationTests {
    private func text(of path: String) throws -> String {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    @Test("docs/trace.md explains every problem code, and no other")
    func problemCodes() throws {
        let documentation = try text(of: "docs/trace.md")
        let table = documentation.split(separator: "| code | meaning |").last ?? ""
        let explained = Set(
            table.split(separator: "\n\n").first?.matches(of: /\| `([a-z0-9_]+)` \|/).map { String($0.1) } ?? [])
        var codes: Set<String> = []
        for source in ["Sources/Wire/Problem.swift", "Sources/Trace/TurnRecord.swift"] {
            let matches = try text(of: source).matches(of: /package static let \w+ = "([a-z0-9_]+)"/)
            #expect(!matches.isEmpty)
            codes.formUnion(matches.map { String($0.1) })
        }
        #expect(explained == codes)
    }
}
