import Foundation
import VerbatimJSON
import Synchronization
import Testing
import VerbatimTrace
import VerbatimSchema
import TestSupport

@Suite struct TraceReaderTests {
    private let folder: String
    private var path: String { folder + "/trace.jsonl" }
    private var reader: TraceReader { TraceReader(path: path) }

    init() throws {
        folder = NSTemporaryDirectory() + "/verbatim-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    private func write(_ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }

    private func append(_ text: String) throws {
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try file.seekToEnd()
        try file.write(contentsOf: Data(text.utf8))
        try file.close()
    }

    private func remove() { try? FileManager.default.removeItem(atPath: folder) }

    private static let own = #"""
        {"turn":3,"request":{"model":"asked","messages":[]},"response":{"id":"c-1","choices":[]},"logprobs":null,\#
        "completion_tokens":["Hel","lo \u2028"],"completion_token_ids":[9906,385],"per_token_logps":[-1.0,null],\#
        "finish_reason":"stop","latency_s":1.500000,"timestamp":1750000000.250000,"schema":"verbatim.turn/1",\#
        "session_id":"s","parent_session_id":"p","retry_of":2,"dialect":"completions","path":"/v1/completions","stream":true,\#
        "outcome":"timeout","status":200,"client_fields":{},"prompt_token_ids":[1,2,3],\#
        "usage":{"prompt_tokens":3,"completion_tokens":2},"model":"m","response_id":"c-1","engine":"vllm",\#
        "ttft_s":0.250000,"capture":{"level":"tokens","complete":true,"problems":["a","b"]}}
        """#

    private static let original = #"""
        {"turn": 1, "request": {"messages": [], "stream": true}, "response": {"id": "x", "model": "q", "choices": [],\#
         "usage": {"prompt_tokens": 5, "completion_tokens": 1}}, "logprobs": [{"token": "a", "logprob": -0.5}],\#
         "completion_tokens": ["a"], "completion_token_ids": [7], "per_token_logps": [-0.5],\#
         "finish_reason": "length", "latency_s": 0.75, "timestamp": 1700000000.5}
        """#

    // MARK: Records

    @Test("Every field of a record is read") func ownRecord() throws {
        let turn = try Turn(json: Array(Self.own.utf8))
        #expect(turn.number == 3)
        #expect((turn.sessionID, turn.parentSessionID, turn.retryOf) == ("s", "p", 2))
        #expect((turn.dialect, turn.path, turn.isStream) == ("completions", "/v1/completions", true))
        #expect((turn.outcome, turn.status) == (.timeout, 200))
        #expect((turn.model, turn.responseID, turn.engine) == ("m", "c-1", "vllm"))
        #expect(turn.completionTokens == ["Hel", "lo \u{2028}"])
        #expect(turn.completionTokenIDs == [9906, 385])
        #expect(turn.perTokenLogprobs == [-1, nil])
        #expect(turn.promptTokenIDs == [1, 2, 3])
        #expect((turn.promptTokenCount, turn.completionTokenCount) == (3, 2))
        #expect(turn.finishReason == "stop")
        #expect((turn.latency, turn.timestamp, turn.timeToFirstToken) == (1.5, 1_750_000_000.25, 0.25))
        #expect((turn.captureLevel, turn.isCaptureComplete) == (.tokens, true))
        #expect(turn.captureProblems == ["a", "b"])
        #expect(turn.choices.map(\.index) == [0])
        #expect(String(decoding: turn.json, as: UTF8.self) == Self.own)
        #expect(String(decoding: turn.requestJSON, as: UTF8.self) == #"{"model":"asked","messages":[]}"#)
        #expect(String(decoding: turn.responseJSON, as: UTF8.self) == #"{"id":"c-1","choices":[]}"#)
    }

    @Test("A record of the earlier Python proxy is read") func originalRecord() throws {
        let turn = try Turn(json: Array(Self.original.utf8))
        #expect((turn.number, turn.sessionID, turn.dialect) == (1, "default", "chat.completions"))
        #expect((turn.parentSessionID, turn.retryOf) == (nil, nil))
        #expect((turn.outcome, turn.status, turn.isStream) == (.completed, nil, true))
        #expect((turn.model, turn.responseID) == ("q", "x"))
        #expect((turn.promptTokenCount, turn.completionTokenCount) == (5, 1))
        #expect((turn.captureLevel, turn.isCaptureComplete) == (.tokens, true))
        #expect((turn.completionTokens, turn.completionTokenIDs, turn.perTokenLogprobs) == (["a"], [7], [-0.5]))
        #expect((turn.finishReason, turn.latency, turn.timestamp) == ("length", 0.75, 1_700_000_000.5))
    }

    @Test("An error record of the earlier Python proxy is read") func originalErrorRecord() throws {
        let json = #"{"turn":2,"request":{},"response":{"choices":[],"upstream_status":429,"upstream_error":{"a":1}}}"#
        let turn = try Turn(json: Array(json.utf8))
        #expect((turn.outcome, turn.status, turn.captureLevel) == (.upstreamError, 429, .text))
        #expect(turn.isCaptureComplete == false)
    }

    @Test("Each of several choices is read") func severalChoices() throws {
        let json = #"""
            {"turn":1,"completion_tokens":["a"],"choices":[{"index":1,"completion_tokens":["b"],"finish_reason":"length",\#
            "completion_token_ids":[2],"per_token_logps":[-2],"prompt_token_ids":[9]},{"index":0,"completion_tokens":["a"]}]}
            """#
        let turn = try Turn(json: Array(json.utf8))
        #expect(turn.choices.map(\.index) == [1, 0])
        #expect(turn.choices[0].completionTokenIDs == [2])
        #expect(turn.choices[0].perTokenLogprobs == [-2])
        #expect(turn.choices[0].finishReason == "length")
        #expect(turn.choices.map(\.promptTokenIDs) == [[9], nil])
        #expect(turn.completionTokens == ["a"])
    }

    @Test("Every outcome and level that the recorder writes is read") func theRecorderAndTheReaderAgree() throws {
        for outcome in TurnOutcome.all {
            for level in CaptureLevel.all {
                let record = TurnRecord(
                    turn: 1, sessionID: "é\u{85}", dialect: "d", path: "/", isStream: false, outcome: outcome,
                    status: nil,
                    isHeadSent: false, request: EditedText(Array("{}".utf8)), response: JSONText(Array("{}".utf8)),
                    level: level,
                    isComplete: false, timestamp: 1, latency: 2)
                let turn = try Turn(json: TurnRecordEncoder.encode(record).dropLast())
                #expect(turn.outcome == outcome)
                #expect(turn.captureLevel == level)
                #expect(turn.outcome.isKnown)
                #expect(turn.captureLevel.isKnown)
                #expect(turn.sessionID == "é\u{85}")
            }
        }
    }

    @Test(
        "A line that is not a record is an error",
        arguments: ["", "{", "[]", "null", "{}", #"{"turn":"1"}"#, #"{"turn":1.5}"#, #"{"turn":1}x"#])
    func invalidLinesAreErrors(_ text: String) {
        let error = #expect(throws: TraceReaderError.self) { try Turn(json: Array(text.utf8)) }
        #expect(error?.code == .invalidRecord)
    }

    @Test("Fields with unexpected values are not an error") func oddFieldsAreNotFatal() throws {
        let json = #"""
            {"turn":1,"request":7,"response":null,"completion_tokens":{},"completion_token_ids":[1,null],\#
            "per_token_logps":[NaN,-1,"x"],"choices":[],"usage":3,"capture":[],"outcome":"later","stream":"yes"}
            """#
        let turn = try Turn(json: Array(json.utf8))
        #expect(turn.completionTokens == [])
        #expect(turn.completionTokenIDs == [], "a list with missing ids is not returned")
        #expect(turn.perTokenLogprobs == [])
        #expect(turn.outcome == TurnOutcome(rawValue: "later") && !turn.outcome.isKnown)
        #expect(turn.isStream == false)
        #expect(String(decoding: turn.responseJSON, as: UTF8.self) == "null")
    }

    // MARK: Files

    @Test("A missing file has no turns") func aMissingFileHoldsNothing() throws {
        defer { remove() }
        let contents = try TraceReader(path: folder + "/none/trace").turns()
        #expect(contents.turns.isEmpty)
        #expect(contents.tornTail == nil)
    }

    @Test("Turns, the torn tail and invalid lines are returned") func turnsTornTailAndInvalidLines() throws {
        defer { remove() }
        let text = Self.original + "\nnonsense\n\n" + Self.own + "\r\n{}\n"
        try write(text + #"{"turn":4,"requ"#)
        let contents = try reader.turns()
        #expect(contents.turns.map(\.number) == [1, 3])
        #expect(contents.invalidLines.map(\.number) == [2, 5])
        #expect(contents.tornTail?.offset == text.utf8.count)
        #expect(contents.tornTail?.byteCount == 15)
    }

    @Test("A whole last line without line break is a turn") func aWholeLastLineNeedsNoLineBreak() throws {
        defer { remove() }
        try write(Self.original + "\n" + Self.own)
        let contents = try reader.turns()
        #expect(contents.turns.map(\.number) == [1, 3])
        #expect(contents.tornTail == nil)
    }

    @Test("A folder cannot be read") func aFolderIsNoTrace() {
        defer { remove() }
        let error = #expect(throws: TraceReaderError.self) { try TraceReader(path: folder).turns() }
        #expect(error?.code == .cannotOpen)
        #expect(error?.message.contains("directory") == true)
    }

    // MARK: Following

    private func record(_ turn: Int) -> String { #"{"turn":\#(turn),"request":{}}"# + "\n" }

    /// Follows the file. `act` gets each turn, and causes the next.
    private func follow(
        until last: Int, onInvalidLine: (@Sendable (TraceContents.InvalidLine) -> Void)? = nil,
        act: @Sendable (Int) throws -> Void
    ) async throws -> [Int] {
        var turns: [Int] = []
        for try await turn in reader.follow(every: .milliseconds(1), onInvalidLine: onInvalidLine) {
            turns.append(turn.number)
            if turn.number == last { break }
            try act(turn.number)
        }
        return turns
    }

    @Test("Following returns turns as they are appended") func followingReturnsTurnsAsTheyAreAppended() async throws {
        defer { remove() }
        try write(record(1) + record(2))
        let turns = try await follow(until: 5) { turn in
            switch turn {
            case 2: try append(record(3) + #"{"turn":4,"#)
            case 3: try append(#""request":{}}"# + "\n" + record(5))
            default: break
            }
        }
        #expect(turns == [1, 2, 3, 4, 5])
    }

    @Test("Following reads files of many chunks") func followingGoesThroughLongFiles() async throws {
        defer { remove() }
        let filler = String(repeating: "x", count: 10_000)
        try write((1...200).map { #"{"turn":\#($0),"request":"\#(filler)"}"# + "\n" }.joined())
        #expect(try await follow(until: 200) { _ in } == Array(1...200))
    }

    @Test("Following reports invalid lines") func followingReportsInvalidLines() async throws {
        defer { remove() }
        try write(record(1) + "x\n" + record(2))
        let numbers = Mutex<[Int]>([])
        let turns = try await follow(
            until: 3, onInvalidLine: { line in numbers.withLock { $0.append(line.number) } },
            act: { if $0 == 2 { try append("y\n" + record(3)) } })
        #expect(turns == [1, 2, 3])
        #expect(numbers.withLock { $0 } == [2, 4])
    }

    @Test("Following reads a truncated file from its start") func followingAFileThatStartsOver() async throws {
        defer { remove() }
        try write(record(1) + record(2))
        let turns = try await follow(until: 9) { turn in
            switch turn {
            case 2: try write(record(7))
            case 7:
                try FileManager.default.removeItem(atPath: path)
                try write(record(8))
                try append(record(9))
            default: break
            }
        }
        #expect(turns == [1, 2, 7, 8, 9])
    }

    @Test("Following reads a renamed file to its end, then the new one") func followingARotatedFile() async throws {
        defer { remove() }
        try write(record(1))
        let rotated = folder + "/trace.jsonl.1"
        let turns = try await follow(until: 6) { turn in
            switch turn {
            case 1:
                try FileManager.default.moveItem(atPath: path, toPath: rotated)
                let file = try FileHandle(forWritingTo: URL(fileURLWithPath: rotated))
                try file.seekToEnd()
                try file.write(contentsOf: Data((record(2) + record(3) + #"{"turn":9,"#).utf8))
                try file.close()
                try write(record(4) + record(5))
            case 5: try append(record(6))
            default: break
            }
        }
        #expect(turns == [1, 2, 3, 4, 5, 6])
    }

    @Test("Following continues after a file was deleted") func followingADeletedFile() async throws {
        defer { remove() }
        try write(record(1))
        let turns = try await follow(until: 3) { turn in
            switch turn {
            case 1:
                try append(record(2))
                try FileManager.default.removeItem(atPath: path)
            case 2: try write(record(3))
            default: break
            }
        }
        #expect(turns == [1, 2, 3])
    }

    @Test("A file that is not regular cannot be followed") func irregularFileCannotBeFollowed() async throws {
        defer { remove() }
        #expect(mkfifo(path, 0o600) == 0)
        let error = await #expect(throws: TraceReaderError.self) {
            for try await _ in reader.follow() {}
        }
        #expect(error?.code == .cannotOpen)
    }

    @Test("Following waits for a missing file") func followingWaitsForTheFile() async throws {
        defer { remove() }
        let reader = reader
        let first = Task {
            for try await turn in reader.follow(every: .milliseconds(1)) { return turn.number }
            return 0
        }
        await Task.yield()
        try write(record(4))
        #expect(try await first.value == 4)
    }

    @Test("Following ends when its task is cancelled") func followingEndsWithItsTask() async throws {
        defer { remove() }
        let reader = reader
        let task = Task {
            for try await _ in reader.follow(every: .seconds(3600)) {}
        }
        task.cancel()
        try await task.value
    }

    @Test("Following a folder is an error") func followingAFolderFails() async throws {
        defer { remove() }
        await #expect(throws: TraceReaderError.self) {
            for try await _ in TraceReader(path: folder).follow() {}
        }
    }
}
