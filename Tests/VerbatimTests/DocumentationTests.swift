import Foundation
import Testing
import Verbatim
import VerbatimAPI

@Suite("Documentation")
struct DocumentationTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private func text(of path: String) throws -> String {
        try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
    }

    @Test("docs/trace.md explains exactly the problem codes that exist")
    func problemCodes() throws {
        let documentation = try text(of: "docs/trace.md")
        let table = documentation.split(separator: "| code | meaning |").last ?? ""
        let explained = Set(
            table.split(separator: "\n\n").first?.matches(of: /\| `([a-z0-9_]+)` \|/).map { String($0.1) } ?? [])
        #expect(explained == Set(ProblemCode.all.map(\.rawValue)))
        #expect(ProblemCode.all.count == Set(ProblemCode.all).count)
    }

    @Test("ProblemCode.all holds every code that is declared")
    func allProblemCodes() throws {
        let source = try text(of: "Sources/VerbatimSchema/ProblemCode.swift")
        let declared = source.matches(of: /ProblemCode\(rawValue: "([a-z0-9_]+)"\)/).map { String($0.1) }
        #expect(Set(declared).symmetricDifference(ProblemCode.all.map(\.rawValue)) == [])
    }

    @Test("docs/trace.md names every API as a value of the field dialect")
    func apis() throws {
        let page = try text(of: "docs/trace.md")
        let row = try #require(page.split(separator: "\n").first { $0.hasPrefix("| `dialect` |") })
        for api in API.allCases { #expect(row.contains("`\(api.rawValue)`")) }
    }

    @Test("EngineProfile.all holds every profile that is declared")
    func allProfiles() throws {
        let folder = "Sources/VerbatimAPI/Engines"
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.root.appending(path: folder).path)
        let declared = try files.flatMap { file in
            try text(of: "\(folder)/\(file)").matches(of: /EngineProfile\(name: "([^"]+)"/).map { String($0.1) }
        }
        #expect(Set(declared).symmetricDifference((EngineProfile.all + [.generic]).map(\.name)) == [])
    }

    @Test("docs/engines.md has every engine among those of chat completions, by a name like that of its profile")
    func engines() throws {
        let page = try text(of: "docs/engines.md")
        let table = page.split(separator: "## Chat completions").last?.split(separator: "\n## ").first ?? ""
        let named = table.split(separator: "\n").compactMap { line in
            line.first == "|" ? line.split(separator: "|").first?.lowercased().filter(\.isLetter) : nil
        }
        for engine in ProxyConfiguration.Engine.allCases where engine != .auto && engine != .generic {
            let name = engine.description.filter(\.isLetter)
            #expect(named.contains { $0.contains(name) }, "\(engine)")
        }
    }

    @Test("Every test that docs/threat-model.md names exists")
    func threatModel() throws {
        let tests = try TestNames()
        let threats = try text(of: "docs/threat-model.md").split(separator: "## Threats").last ?? ""
        let rows = threats.split(separator: "## What is not").first?.split(separator: "\n").dropFirst(2) ?? []
        #expect(rows.count > 20)
        for row in rows {
            let names = row.split(separator: "|").last?.matches(of: /`([^`]+)`/).map { String($0.1) } ?? []
            #expect(!names.isEmpty, "no test is named: \(row)")
            for name in names { #expect(tests.contains(name), "no such test: \(name)") }
        }
    }

    /// The names of suites (`Suite`), of their tests (`Suite.test`), and of those in Python (`test_x.py`,
    /// `test_x.py::test_y`).
    private struct TestNames {
        private var names: Set<String> = []

        init() throws {
            let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
            while let file = files?.nextObject() as? URL {
                if file.pathExtension == "swift" { addSwift(try String(contentsOf: file, encoding: .utf8)) }
                if file.lastPathComponent.hasPrefix("test_") && file.pathExtension == "py" {
                    let text = try String(contentsOf: file, encoding: .utf8)
                    names.insert(file.lastPathComponent)
                    for match in text.matches(of: /(?m)^(?:async )?def (test_\w+)/) {
                        names.insert("\(file.lastPathComponent)::\(match.1)")
                    }
                }
            }
        }

        func contains(_ name: String) -> Bool { names.contains(name) }

        /// A function belongs to the last suite that begins before it.
        private mutating func addSwift(_ text: String) {
            var suite = ""
            for match in text.matches(of: /(?:struct|class|extension) (\w+Tests)\b|func (\w+)/) {
                if let type = match.1 {
                    suite = String(type)
                    names.insert(suite)
                } else if let test = match.2 {
                    names.insert("\(suite).\(test)")
                }
            }
        }
    }
}
