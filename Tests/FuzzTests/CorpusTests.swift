import Foundation
import Testing

/// The fuzzers' properties hold of what fuzzers start from, and of all that they once found.
@Suite struct CorpusTests {
    @Test(arguments: FuzzTarget.allCases) func seedsHold(target: FuzzTarget) throws {
        let seeds = Seeds.seeds(of: target)
        #expect(!seeds.isEmpty)
        for seed in seeds { try target.check(seed) }
    }

    @Test(arguments: FuzzTarget.allCases) func findingsHold(target: FuzzTarget) throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Corpus/\(target.rawValue)")
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [] {
            try target.check([UInt8](Data(contentsOf: folder.appendingPathComponent(name))))
        }
    }

    /// The properties are able to fail.
    @Test func aViolationIsSeen() {
        #expect(throws: Violation.self) { try RecordProperties.check(Array("{}".utf8)) }
        let misaligned = #"{"completion_tokens":["a"],"completion_token_ids":[1,2]}"# + "\n"
        #expect(throws: Violation.self) { try RecordProperties.check(Array(misaligned.utf8)) }
    }
}
