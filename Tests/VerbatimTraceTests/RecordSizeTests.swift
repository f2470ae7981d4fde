import VerbatimJSON
import Testing
import VerbatimSchema

@testable import VerbatimTrace

/// The estimated size, which limits the waiting records, includes everything that can be large.
@Suite struct RecordSizeTests {
    /// The number of text bytes in `value`, found by reflection.
    private func textBytes(in value: Any) -> Int {
        switch value {
        case let bytes as [UInt8]: bytes.count
        case let text as String: text.utf8.count
        default: Mirror(reflecting: value).children.reduce(0) { $0 + textBytes(in: $1.value) }
        }
    }

    @Test("Every field counts towards the estimated size") func everyFieldCounts() {
        func large(_ seed: Int) -> [UInt8] { Array(#""\#(String(repeating: "x", count: 10_000 + seed))""#.utf8) }
        func text(_ seed: Int) -> String { String(decoding: large(seed), as: UTF8.self) }
        var list = JSONList()
        list.append(large(1))
        var entries = JSONList()
        entries.append(large(17))
        var record = TurnRecord.sample(session: text(2), request: text(3))
        record.parentSessionID = text(4)
        record.path = text(5)
        record.engine = text(6)
        record.refusals = [text(7), text(8)]
        record.response = JSONText(large(9))
        record.promptTokenIDs = large(10)
        record.usage = large(11)
        record.model = large(12)
        record.responseID = large(13)
        record.clientFields = [ClientField(name: text(14), value: large(15))]
        record.problems = [ProblemCode(rawValue: text(16))]
        record.choices = [
            ChoiceRecord(
                logprobs: entries, tokens: list, tokenIDs: list, logprobValues: list, finishReason: large(18),
                promptTokenIDs: large(19))
        ]
        #expect(record.estimatedSize >= textBytes(in: record))
        #expect(record.estimatedSize < textBytes(in: record) + 5000)
    }
}
