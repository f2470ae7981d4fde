import Foundation
import VerbatimJSON
import TestSupport
import Testing
import VerbatimPlatform
import VerbatimSchema

@testable import VerbatimTrace

@Suite struct TraceCheckTests {
    private let folder: TemporaryFolder
    private var path: String { folder.path("trace.jsonl") }

    init() throws { folder = try TemporaryFolder() }

    private func check(_ bytes: [UInt8]) throws -> (findings: [String], summary: TraceCheck.Summary) {
        try write(bytes, to: path)
        let file = try OpenFile(path, for: .reading)
        var findings: [String] = []
        var check = TraceCheck()
        func report(_ finding: TraceCheck.Finding) { findings.append("\(finding.line): \(finding.message)") }
        try check.read(file, report: report)
        let summary = check.finish(report: report)
        #expect(summary.findings == findings.count)
        return (findings, summary)
    }

    private func check(_ text: String) throws -> [String] { try check(Array(text.utf8)).findings }

    private func check(_ records: [TurnRecord]) throws -> [String] {
        try check(records.flatMap { TurnRecordEncoder.encode($0) }).findings
    }

    /// A record without findings.
    private static let plain = #""request":{},"response":{}"#

    @Test("Records of the recorder have no findings") func recordsOfTheRecorderHaveNoFindings() throws {
        var failed = TurnRecord.sample(turn: 2)
        failed.choices = []
        failed.level = .none
        failed.outcome = .upstreamError
        var several = TurnRecord.sample(turn: 3)
        several.choices.append(several.choices[0])
        several.choices[1].index = 1
        several.usage = Array(#"{"completion_tokens":4}"#.utf8)
        var compact = TurnRecord.sample(turn: 4)
        compact.includesLogprobs = false
        #expect(try check([.sample(), failed, several, compact, .sample(session: "b")]) == [])
    }

    @Test("An empty trace has no findings") func anEmptyTraceIsRight() throws {
        let result = try check([UInt8]())
        #expect(result.findings == [])
        #expect(result.summary == TraceCheck.Summary())
    }

    @Test("Records of the earlier Python proxy have no findings") func originalRecordsAreRight() throws {
        let text = """
            {"turn": 1, "request": {"messages": []}, "response": {"choices": []}, "logprobs": [{"token": "a"}], \
            "completion_tokens": ["a"], "completion_token_ids": [], "per_token_logps": [-0.5], "finish_reason": "stop", \
            "latency_s": 0.5, "timestamp": 1.0}

            """
        #expect(try check(text) == [])
    }

    @Test(
        "Each kind of faulty line is found",
        arguments: [
            ("nonsense", "the line is not JSON: unexpected character at byte 1"),
            ("{\"turn\":1", "the line is not JSON: unexpected end of text at byte 9"),
            ("[1]", "the line is not a JSON object"), ("", "the line is empty"),
            ("{\"turn\":NaN,\(plain)}", "the line is not JSON: unexpected character at byte 8"),
            ("{\"turn\":\"1\",\(plain)}", "'turn' is not a positive integer"),
            ("{\"turn\":0,\(plain)}", "'turn' is not a positive integer"),
            ("{\(plain)}", "'turn' is not a positive integer"),
            ("{\"turn\":1,\"request\":[],\"response\":{}}", "'request' is not an object"),
            ("{\"turn\":1,\"request\":{}}", "'response' is not an object"),
            (
                "{\"turn\":1,\(plain),\"completion_tokens\":[1]}",
                "'completion_tokens' is not an array of the right type"
            ),
            (
                "{\"turn\":1,\(plain),\"completion_token_ids\":[1.5]}",
                "'completion_token_ids' is not an array of the right type"
            ),
            ("{\"turn\":1,\(plain),\"per_token_logps\":{}}", "'per_token_logps' is not an array of the right type"),
            ("{\"turn\":1,\(plain),\"x\":\"\u{2028}\"}", "the line has an unescaped U+0085, U+2028 or U+2029"),
            ("{\"turn\":1,\(plain),\"x\":\"\u{85}\"}", "the line has an unescaped U+0085, U+2028 or U+2029"),
            (
                "{\"turn\":1,\(plain),\"completion_tokens\":[\"a\"],\"completion_token_ids\":[1,2],\"per_token_logps\":[]}",
                "arrays differ in length: 'completion_tokens' 1, 'completion_token_ids' 2"
            ),
            ("{\"turn\":1,\(plain),\"choices\":[1]}", "'choices' is not an array of objects with an 'index'"),
            (
                "{\"turn\":1,\(plain),\"choices\":[{\"index\":3,\"completion_tokens\":[\"a\"],\"per_token_logps\":[1,2]}]}",
                "choice 3: arrays differ in length: 'completion_tokens' 1, 'per_token_logps' 2"
            ),
        ])
    func oneWrongLine(_ line: String, _ finding: String) throws {
        #expect(try check("{\"turn\":1,\(Self.plain),\"session_id\":\"s\"}\n\(line)\n") == ["2: \(finding)"])
    }

    @Test("Invalid UTF-8 is found") func invalidUTF8IsFound() throws {
        let line = Array("{\"turn\":1,\(Self.plain),\"x\":\"".utf8) + [0xFF] + Array("\"}\n".utf8)
        #expect(try check(line).findings == ["1: the line is not JSON: invalid UTF-8 in a string at byte 42"])
    }

    @Test("A complete record must agree with the usage") func completeRecordsAgreeWithUsage() throws {
        var record = TurnRecord.sample()
        record.usage = Array(#"{"completion_tokens":3}"#.utf8)
        #expect(try check([record]) == ["1: 'capture' is complete, but there are 2 tokens and 'usage' counts 3"])
        record.isComplete = false
        #expect(try check([record]) == [])
    }

    @Test("A complete record has no problem") func completeRecordsHaveNoProblem() throws {
        let line = try #require(String(bytes: TurnRecordEncoder.encode(.sample()), encoding: .utf8))
        let changed = line.replacing(#""problems":[]"#, with: #""problems":["token_count_mismatch"]"#)
        #expect(try check(changed) == ["1: 'capture' is complete, but has problems"])
    }

    @Test("A missing field of a record with a schema is found") func missingFieldsAreFound() throws {
        let line = try #require(String(bytes: TurnRecordEncoder.encode(.sample()), encoding: .utf8))
        let record = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        // Optional fields, and the one whose absence makes it a record of the format's first version.
        for key in record.keys
        where !["logprobs", "schema", "parent_session_id", "retry_of", "response_id", "engine_source"].contains(key) {
            var without = record
            without[key] = nil
            let bytes = try JSONSerialization.data(withJSONObject: without)
            #expect(try check([UInt8](bytes) + [0x0A]).findings.isEmpty == false, "\(key)")
        }
        #expect(try check(line.replacingOccurrences(of: "turn/1", with: "turn/9")) == ["1: 'schema' is unknown"])
        #expect(try check(line.replacingOccurrences(of: "completed", with: "huh")) == ["1: 'outcome' is unknown: huh"])
        #expect(
            try check(line.replacingOccurrences(of: #""level":"tokens""#, with: #""level":"all""#))
                == ["1: 'capture.level' is unknown: all"])
    }

    @Test(
        "A retry must refer to an earlier turn",
        arguments: [("null", true), ("2", true), ("3", false), ("0", false), ("-1", false), ("\"2\"", false)])
    func aRetryRepeatsAnEarlierTurn(value: String, isRight: Bool) throws {
        let line = try #require(String(bytes: TurnRecordEncoder.encode(.sample(turn: 3)), encoding: .utf8))
        #expect(line.contains(#""retry_of":null"#))
        let findings = try check(line.replacingOccurrences(of: #""retry_of":null"#, with: "\"retry_of\":" + value))
        #expect(
            findings.filter { $0.contains("retry_of") } == (isRight ? [] : ["1: 'retry_of' is not an earlier turn"]))
    }

    @Test(
        "Missing and repeated turns are found",
        arguments: [
            ([1, 2, 3], []), ([3, 1, 2], []), ([2], []), ([5, 4, 6], []),
            ([4, 2], ["1: missing before this line's turn: turn 3 of session 's'"]),
            ([1, 1], ["2: turn 1 of session 's' is repeated"]),
            (
                [1, 7, 3, 7],
                [
                    "4: turn 7 of session 's' is repeated",
                    "2: missing before this line's turn: turns 4 to 6 of session 's'",
                    "3: missing before this line's turn: turn 2 of session 's'",
                ]
            ),
        ])
    func turnNumbers(_ turns: [Int], _ findings: [String]) throws {
        let lines = turns.map { "{\"turn\":\($0),\(Self.plain),\"session_id\":\"s\"}\n" }
        #expect(try check(lines.joined()) == findings)
    }

    @Test("A hole that unfinished turns explain is noted, and nothing is wrong")
    func unfinishedTurns() throws {
        var records = [1, 4, 5, 6, 8].map { TurnRecord.sample(turn: $0, session: "s") }
        records[1].unfinishedTurns = [2, 3]
        records[2].unfinishedTurns = [3]
        try write(records.flatMap { TurnRecordEncoder.encode($0) }, to: path)
        let file = try OpenFile(path, for: .reading)
        var findings: [TraceCheck.Finding] = []
        var check = TraceCheck()
        try check.read(file) { findings.append($0) }
        let summary = check.finish { findings.append($0) }
        #expect(findings.map(\.isNote) == [true, false])
        #expect(findings[0].message.hasPrefix("note: turns 2 to 3 of session 's' were unfinished"))
        #expect(findings[1].message == "missing before this line's turn: turn 7 of session 's'")
        #expect((summary.findings, summary.unfinishedTurns) == (1, 2))
    }

    @Test("A record names the earlier turns of its session that have no record yet")
    func recordsNameUnfinishedTurns() throws {
        let recorder = try TraceRecorder(TraceRecorder.Configuration(path: path)) { _ in }
        let turns = (0..<4).compactMap { _ in recorder.nextTurn(inSession: "s") }
        _ = recorder.nextTurn(inSession: "other")
        #expect(turns == [1, 2, 3, 4])
        for turn in [3, 1, 4] {
            let record = SharedRecord(.sample(turn: turn, session: "s"))
            recorder.record([RecordSubmission(record) { _ in }])
        }
        recorder.close()
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        #expect(lines[0].contains(#""unfinished_turns":[1,2],"dialect""#))
        #expect(!lines[1].contains("unfinished_turns"))
        #expect(lines[2].contains(#""unfinished_turns":[2],"dialect""#))
        let file = try OpenFile(path, for: .reading)
        var check = TraceCheck()
        try check.read(file) { _ in }
        let summary = check.finish { _ in }
        #expect((summary.findings, summary.unfinishedTurns) == (0, 1))
    }

    @Test("Each session is checked separately") func sessionsAreCheckedSeparately() throws {
        let result = try check(
            Array(
                ["a", "b", "a"].enumerated().map {
                    "{\"turn\":\($0.offset / 2 + 1),\(Self.plain),\"session_id\":\"\($0.element)\"}\n"
                }.joined().utf8))
        #expect(result.findings == [])
        #expect((result.summary.turns, result.summary.sessions) == (3, 2))
    }

    @Test("A torn tail is found") func aTornTailIsFound() throws {
        let line = "{\"turn\":1,\(Self.plain)}"
        #expect(try check(line + "\n" + "{\"tu") == ["2: torn: the last 4 bytes are not followed by a line break"])
        #expect(try check(line) == ["1: torn: the last \(line.utf8.count) bytes are not followed by a line break"])
    }

    @Test("Deeply nested requests have no findings") func deepRequestsAreRight() throws {
        let deep = String(repeating: "[", count: 511) + String(repeating: "]", count: 511)
        #expect(try check("{\"turn\":1,\"request\":{\"a\":\(deep)},\"response\":{}}\n") == [])
    }
}
