import Foundation
import TestSupport
import Testing

@testable import VerbatimTrace

@Suite struct TurnNumbersTests {
    private let folder: TemporaryFolder
    private var path: String { folder.path("trace.jsonl") }

    init() throws { folder = try TemporaryFolder() }

    private func next(_ sessions: String..., after text: String) throws -> [Int?] {
        try write(Array(text.utf8), to: path)
        let recorder = try TraceRecorder(path: path)
        defer { recorder.close() }
        return sessions.map { recorder.nextTurn(inSession: $0) }
    }

    @Test("Each session is numbered separately") func eachSessionCountsForItself() throws {
        let recorder = try TraceRecorder(path: path)
        #expect([1, 2, 3].map { _ in recorder.nextTurn(inSession: "a") } == [1, 2, 3])
        #expect(recorder.nextTurn(inSession: "b") == 1)
        #expect(recorder.nextTurn(inSession: "a") == 4)
        recorder.close()
    }

    @Test("Numbers that no session can reach are ignored", arguments: [Int.max, .max - 1, 1 << 53 + 1])
    func unreachableNumbersAreIgnored(_ turn: Int) throws {
        #expect(try next("default", "default", after: #"{"turn":\#(turn)}"# + "\n") == [1, 2])
    }

    @Test("Numbering continues after a restart") func goesOnAfterARestart() async throws {
        for start in stride(from: 1, through: 9, by: 3) {
            let recorder = try TraceRecorder(path: path)
            for turn in start..<start + 3 {
                let number = try recorder.next("a \u{2028}\"é")
                #expect(number == turn)
                #expect(await recorder.keep(.sample(turn: number, session: "a \u{2028}\"é")) == nil)
            }
            #expect(recorder.nextTurn(inSession: "default") == 1)
            recorder.close()
        }
    }

    @Test("The number of sessions is limited") func numberOfSessionsIsLimited() throws {
        try write(Array(#"{"turn":4,"session_id":"known"}"#.utf8) + [0x0A], to: path)
        let recorder = try TraceRecorder(path: path, maximumSessions: 3)
        #expect(recorder.nextTurn(inSession: "a") == 1)
        #expect(recorder.nextTurn(inSession: "b") == 1)
        for id in ["c", "d", "c"] { #expect(recorder.nextTurn(inSession: id) == nil) }
        #expect(["known", "a", "b"].map { recorder.nextTurn(inSession: $0) } == [5, 2, 2])
        recorder.close()
    }

    /// No number of a session in the file may be given out again, whatever the limit.
    @Test("Sessions in the file are known above the limit") func sessionsInTheFileMayExceedTheLimit() throws {
        let lines = (1...5).map { #"{"turn":\#($0),"session_id":"\#($0)"}"# + "\n" }
        try write(Array(lines.joined().utf8), to: path)
        let recorder = try TraceRecorder(path: path, maximumSessions: 2)
        #expect((1...6).map { recorder.nextTurn(inSession: "\($0)") } == [2, 3, 4, 5, 6, nil])
        recorder.close()
    }

    @Test("A turn without a record is not remembered") func anUnrecordedTurnIsNotRemembered() throws {
        let recorder = try TraceRecorder(path: path)
        #expect(recorder.nextTurn(inSession: "a") == 1)
        recorder.close()
        let second = try TraceRecorder(path: path)
        #expect(second.nextTurn(inSession: "a") == 1)
        second.close()
    }

    @Test("Records without a session belong to the default session") func recordsWithoutASessionCountForTheDefault()
        throws
    {
        let text = #"{"turn": 3, "request": {"session_id": "x", "turn": 99}}"# + "\n" + #"{"turn": 2}"# + "\n"
        #expect(try next("default", "x", after: text) == [4, 1])
    }

    @Test("The order of fields and records does not matter") func ordersOfFieldsAndRecordsDoNotMatter() throws {
        let text = """
            {"session_id":"a","turn":9}
            {"turn":4,"session_id":"a"}
            {"tu\\u0072n":12,"session_id":"\\u0062"}
            {"turn":1,"session_id":null}
            """
        #expect(try next("a", "b", "default", after: text + "\n") == [10, 13, 2])
    }

    @Test("Lines that are not records are skipped") func invalidLinesAreSkipped() throws {
        let text = """

            not json
            {"turn":5
            [1,2]
            {"turn":"7"}
            {"turn":-3}
            {"turn":9223372036854775807}
            {"turn":1.5}
            {"turn":99999999999999999999999}
            {"turn":2,"response":{"logprob":NaN}}
            """
        #expect(try next("default", after: text + "\n") == [3])
    }

    @Test("Deeply nested requests are read") func deepRequestsAreRead() throws {
        let deep = String(repeating: "[", count: 511) + String(repeating: "]", count: 511)
        let text = #"{"turn":5,"request":{"a":\#(deep)},"session_id":"s"}"#
        #expect(try next("s", after: text + "\n") == [6])
    }

    @Test("Lines that cross chunks are read") func linesAcrossChunksAreRead() throws {
        let filler = String(repeating: "x", count: LineBuffer.chunkSize * 5 / 2)
        let text = (1...5).map { #"{"turn":\#($0),"request":"\#(filler)","session_id":"\#($0 % 2)"}"# + "\n" }.joined()
        #expect(try next("0", "1", after: text) == [5, 6])
    }
}
