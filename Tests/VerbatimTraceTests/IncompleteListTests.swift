import Testing
import VerbatimJSON
import VerbatimSchema

@testable import VerbatimTrace

@Suite("Token lists of incomplete turns") struct IncompleteListTests {
    private func line(
        _ lists: IncompleteLists, _ change: (inout TurnRecord) -> Void
    ) throws -> (turn: Turn, text: String) {
        var record = TurnRecord.sample()
        record.choices.append(record.choices[0])
        record.choices[1].index = 1
        change(&record)
        var lines: [UInt8] = []
        TurnRecordEncoder.append(record, incompleteLists: lists, to: &lines)
        #expect(lines.filter { $0 == 0x0A }.count == 1)
        return (try Turn(json: lines.dropLast()), String(decoding: lines, as: UTF8.self))
    }

    @Test("They are kept, or empty", arguments: IncompleteLists.allCases)
    func incomplete(lists: IncompleteLists) throws {
        let (turn, text) = try line(lists) { $0.isComplete = false }
        #expect(!turn.isCaptureComplete && turn.captureLevel == .tokens)
        #expect(turn.choices.map(\.finishReason) == ["stop", "stop"])
        #expect(turn.promptTokenIDs == [1, 2, 3])
        let ids = lists == .keep ? [9906, 385] : []
        #expect(turn.completionTokenIDs == ids && turn.choices.map(\.completionTokenIDs) == [ids, ids])
        #expect(turn.completionTokens.isEmpty == (lists == .empty))
        #expect(turn.perTokenLogprobs.isEmpty == (lists == .empty))
        #expect(text.contains(#""logprobs":null"#) == (lists == .empty))
    }

    @Test("Those of complete turns are written either way")
    func complete() throws {
        let kept = try line(.keep) { _ in }
        #expect(try line(.empty) { _ in }.text == kept.text)
        #expect(kept.turn.completionTokenIDs == [9906, 385])
    }

    @Test("A turn that is incomplete because its record lost something is empty, too")
    func lost() throws {
        let (turn, text) = try line(.empty) { record in
            record.response = JSONText(Array(#"{"x":NaN}"#.utf8))
        }
        #expect(!turn.isCaptureComplete && turn.completionTokenIDs == [])
        #expect(text.contains("non_finite_number"))
    }
}
