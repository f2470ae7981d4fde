import Foundation
import Testing
import VerbatimAPI

/// The fuzzed properties hold for the seeds, and for every input that once broke one of them.
@Suite struct CorpusTests {
    @Test(arguments: FuzzTarget.allCases) func propertiesHoldForSeeds(target: FuzzTarget) throws {
        let seeds = Seeds.seeds(of: target)
        #expect(!seeds.isEmpty)
        // The fuzzer begins with all of them.
        for seed in seeds.indices where seed % 3 == 0 { try target.check(seeds[seed]) }
    }

    @Test(arguments: FuzzTarget.allCases) func propertiesHoldForFormerFindings(target: FuzzTarget) throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Corpus/\(target.rawValue)")
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [] {
            try target.check([UInt8](Data(contentsOf: folder.appendingPathComponent(name))))
        }
    }

    @Test func everyAPIHasATarget() {
        #expect(Set(FuzzTarget.allCases.compactMap(\.api)) == Set(API.allCases))
    }

    @Test func aViolationIsReported() {
        #expect(throws: Violation.self) { try RecordProperties.check(Array("{}".utf8)) }
        let misaligned = #"{"completion_tokens":["a"],"completion_token_ids":[1,2]}"# + "\n"
        #expect(throws: Violation.self) { try RecordProperties.check(Array(misaligned.utf8)) }
    }
}
