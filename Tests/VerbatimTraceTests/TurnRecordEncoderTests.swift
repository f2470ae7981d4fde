import Foundation
import VerbatimJSON
import Testing
import VerbatimSchema
import TestSupport

@testable import VerbatimTrace

@Suite struct TurnRecordEncoderTests {
    private func text(_ record: TurnRecord) -> String {
        String(decoding: TurnRecordEncoder.encode(record), as: UTF8.self)
    }

    /// The line, as Foundation reads it.
    private func decoded(_ record: TurnRecord) throws -> [String: Any] {
        let line = TurnRecordEncoder.encode(record)
        return try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
    }

    private func problems(_ record: TurnRecord) throws -> (isComplete: Bool?, problems: [String]?) {
        let capture = try #require(try decoded(record)["capture"] as? [String: Any])
        return (capture["complete"] as? Bool, capture["problems"] as? [String])
    }

    @Test("A record with all fields is encoded as documented") func wholeRecord() {
        #expect(
            text(.sample()) == #"""
                {"turn":1,"request":{"model":"m","messages":[]},"response":{"choices":[{"message":{"content":"Hello"}}]},\#
                "logprobs":[{"token":"Hel","logprob":-1.0},{"token":"lo","logprob":null}],\#
                "completion_tokens":["Hel","lo"],"completion_token_ids":[9906,385],"per_token_logps":[-1.0,null],\#
                "finish_reason":"stop","latency_s":1.500000,"timestamp":1750000000.250000,\#
                "schema":"verbatim.turn/1","session_id":"default","parent_session_id":null,"retry_of":null,\#
                "dialect":"chat.completions","path":"/v1/chat/completions","stream":true,"outcome":"completed","status":200,\#
                "client_fields":{"logprobs":{"absent":true},"top_logprobs":{"value":null}},"prompt_token_ids":[1,2,3],\#
                "usage":{"prompt_tokens":3,"completion_tokens":2},"model":"m","response_id":"chatcmpl-1","engine":"vllm","engine_source":null,\#
                "ttft_s":0.250000,"capture":{"level":"tokens","complete":true,"problems":[]}}

                """#
        )
    }

    @Test("Parent session and retried turn are encoded") func parentSessionAndRetriedTurnAreEncoded() throws {
        var record = TurnRecord.sample(turn: 3, session: "s:a")
        record.parentSessionID = "s"
        record.retryOf = 2
        #expect(text(record).contains(#""session_id":"s:a","parent_session_id":"s","retry_of":2,"dialect":"#))
    }

    @Test("Missing values are null or empty") func emptyRecord() throws {
        let record = TurnRecord(
            turn: 7,
            sessionID: "s",
            dialect: "d",
            path: "/",
            isStream: false,
            outcome: .timeout,
            status: nil,
            isHeadSent: false,
            request: EditedText(Array("{}".utf8)),
            response: JSONText(Array("{}".utf8)),
            level: .none,
            isComplete: false,
            timestamp: 0,
            latency: 0
        )
        let read = try decoded(record)
        #expect(read["completion_tokens"] as? [String] == [])
        #expect(read["completion_token_ids"] as? [Int] == [])
        #expect(read["per_token_logps"] as? [Double] == [])
        for key in ["logprobs", "finish_reason", "status", "usage", "model", "response_id", "engine", "ttft_s"] {
            #expect(read[key] is NSNull, "\(key)")
        }
        #expect(read["choices"] == nil)
        #expect(read["outcome"] as? String == "timeout")
    }

    @Test("A compact record has no field logprobs") func compactRecordHasNoLogprobs() throws {
        var record = TurnRecord.sample()
        record.includesLogprobs = false
        record.choices.append(ChoiceRecord(index: 1, logprobs: JSONList()))
        let read = try decoded(record)
        #expect(read.keys.contains("logprobs") == false)
        let choices = try #require(read["choices"] as? [[String: Any]])
        #expect(choices.count == 2)
        #expect(choices.allSatisfy { !$0.keys.contains("logprobs") })
    }

    @Test("Several choices are encoded, and the flat fields repeat the choice with index 0") func severalChoices()
        throws
    {
        var record = TurnRecord.sample()
        var tokens = JSONList()
        tokens.append(Array(#""other""#.utf8))
        record.choices.insert(ChoiceRecord(index: 1, tokens: tokens, finishReason: Array(#""length""#.utf8)), at: 0)
        let read = try decoded(record)
        #expect(read["completion_tokens"] as? [String] == ["Hel", "lo"], "the flat fields repeat index 0")
        let choices = try #require(read["choices"] as? [[String: Any]])
        #expect(choices.map { $0["index"] as? Int } == [1, 0])
        #expect(choices[0]["completion_tokens"] as? [String] == ["other"])
        #expect(choices[0]["finish_reason"] as? String == "length")
        #expect(choices[1]["completion_token_ids"] as? [Int] == [9906, 385])
    }

    @Test("No text can break the line") func nothingBreaksALine() throws {
        let breaks = "\u{85}\u{2028}\u{2029}\n\r\u{b}\u{c}\u{1c}\u{1d}\u{1e}"
        var record = TurnRecord.sample()
        record.sessionID = breaks
        record.parentSessionID = breaks
        record.path = "/" + breaks
        record.dialect = breaks
        record.engine = breaks
        record.problems = [ProblemCode(rawValue: breaks)]
        record.clientFields = [ClientField(name: breaks, value: Array("[1,\r\n2]".utf8))]
        record.request = EditedText(
            Array("{\r\n \"a\" : \"\u{85}\u{2028}\u{2029}\", \n\t\"\u{2028}\":\u{20}[ 1 ,\n 2.50 ] }".utf8))
        record.response = JSONText(record.request.bytes)
        record.usage = Array("{\n}".utf8)
        record.promptTokenIDs = Array("[1,\n2]".utf8)
        let line = text(record)
        let lineBreaks: Set<Unicode.Scalar> = [
            "\n", "\r", "\u{b}", "\u{c}", "\u{1c}", "\u{1d}", "\u{1e}", "\u{85}", "\u{2028}", "\u{2029}",
        ]
        #expect(line.unicodeScalars.dropLast().allSatisfy { !lineBreaks.contains($0) })
        #expect(line.unicodeScalars.last == "\n")

        let read = try decoded(record)
        #expect(read["session_id"] as? String == breaks)
        #expect((read["request"] as? [String: Any])?["a"] as? String == "\u{85}\u{2028}\u{2029}")
        #expect(
            line.contains(#""request":{"a":"\u0085\u2028\u2029","\u2028":[1,2.50]}"#), "the text of numbers is kept")
    }

    @Test("Texts of the engine are kept") func textIsNotTouched() {
        var record = TurnRecord.sample()
        let body = #"{"b":1.0,"a":-8.283243179321289,"a":12345678901234567890,"e":1e-5,"s":"\u00e9\/\ud83d\ude00é😀"}"#
        record.request = EditedText(Array(body.utf8))
        #expect(text(record).contains(#""request":"# + body + ","))
    }

    @Test("Non-finite numbers become null") func nonFiniteNumbersBecomeNull() throws {
        var record = TurnRecord.sample()
        record.response = JSONText(Array(#"{"a":NaN,"b":[-Infinity,Infinity],"c":"NaN"}"#.utf8))
        let read = try decoded(record)
        let response = try #require(read["response"] as? [String: Any])
        #expect(response["a"] is NSNull)
        #expect(response["c"] as? String == "NaN")
        let capture = try problems(record)
        #expect(capture.isComplete == false)
        #expect(capture.problems == ["non_finite_number"])
    }

    @Test("Invalid UTF-8 becomes replacement characters") func invalidUTF8BecomesReplacementCharacters() throws {
        var record = TurnRecord.sample()
        record.problems = ["first", "invalid_utf8"]
        record.response = JSONText(Array(#"{"a":""#.utf8) + [0xFF, 0xE2, 0x80] + Array(#""}"#.utf8))
        let response = try #require(try decoded(record)["response"] as? [String: Any])
        #expect(response["a"] as? String == String(decoding: [0xFF, 0xE2, 0x80] as [UInt8], as: UTF8.self))
        let capture = try problems(record)
        #expect(capture.isComplete == false)
        #expect(capture.problems == ["first", "invalid_utf8"], "no code is repeated")
    }

    @Test("Empty texts become null") func emptyTextsAreNull() throws {
        var record = TurnRecord.sample()
        record.request = EditedText([])
        record.response = JSONText()
        #expect(try decoded(record)["request"] is NSNull)
    }

    @Test("Lines can be appended to each other") func linesCanBeAppended() {
        var lines: [UInt8] = []
        TurnRecordEncoder.append(.sample(), to: &lines)
        TurnRecordEncoder.append(.sample(turn: 2), to: &lines)
        #expect(lines == TurnRecordEncoder.encode(.sample()) + TurnRecordEncoder.encode(.sample(turn: 2)))
    }

    @Test(
        "Seconds have six decimals",
        arguments: [
            (0.0, "0.000000"), (1.5, "1.500000"), (0.0000005, "0.000001"), (0.000001, "0.000001"), (0.1, "0.100000"),
            (-1.25, "-1.250000"), (-0.000001, "-0.000001"), (1_753_000_000.123456, "1753000000.123456"),
            (12.999_999_9, "13.000000"), (.nan, "0.000000"), (.infinity, "0.000000"), (-.infinity, "0.000000"),
            (1e300, "0.000000"), (-0.0, "0.000000"),
        ])
    func seconds(_ value: Double, _ expected: String) {
        var bytes: [UInt8] = []
        bytes.appendSeconds(value)
        #expect(String(decoding: bytes, as: UTF8.self) == expected)
    }

    @Test("Seconds are rounded as Foundation does") func secondsAgreeWithFoundation() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let micros = Int64.random(in: 0...2_000_000_000_000_000, using: &generator)
            var bytes: [UInt8] = []
            bytes.appendSeconds(Double(micros) / 1e6)
            #expect(
                String(decoding: bytes, as: UTF8.self)
                    == String(format: "%lld.%06lld", micros / 1_000_000, micros % 1_000_000)
            )
        }
    }
}
