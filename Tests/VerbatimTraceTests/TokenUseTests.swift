import TestSupport
import Testing
import VerbatimJSON
import VerbatimSchema

@testable import VerbatimTrace

@Suite("How many tokens a turn used")
struct TokenUseTests {
    private static func list(_ count: Int) -> JSONList {
        var list = JSONList()
        for number in 0..<count { list.append(number) }
        return list
    }

    /// A record of a turn whose request has 40 bytes.
    private func record(
        usage: String? = nil, prompt: Int? = nil, tokens: [Int] = [], finish: String? = "stop",
        response: String = "{}", outcome: TurnOutcome = .completed, level: CaptureLevel = .text,
        problems: [ProblemCode] = []
    ) -> TurnRecord {
        let request = #"{"model":"m","messages":[],"padding":""}"#
        var record = TurnRecord.sample(request: request)
        record.usage = usage.map { Array($0.utf8) }
        record.promptTokenIDs = prompt.map { Self.list($0).array }
        record.choices = tokens.enumerated().map { index, count in
            ChoiceRecord(
                index: index, tokenIDs: Self.list(count), finishReason: finish.map { Array("\"\($0)\"".utf8) })
        }
        record.response = JSONText(Array(response.utf8))
        record.outcome = outcome
        record.level = level
        record.problems = problems
        return record
    }

    /// The turn's use, which is the same when the record has been written and read.
    private func use(of record: TurnRecord) throws -> TokenUse {
        let read = try Turn(json: Array(TurnRecordEncoder.encode(record).dropLast())).tokenUse
        #expect(read == record.tokenUse)
        return record.tokenUse
    }

    private func expect(_ record: TurnRecord, _ prompt: TokenUse.Count, _ completion: TokenUse.Count) throws {
        #expect(try use(of: record) == TokenUse(prompt: prompt, completion: completion))
    }

    @Test(
        "The engine's count is used, in the words of each API",
        arguments: [
            (#"{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8}"#, 5, 3),
            (#"{"prompt_tokens":5,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":4}}"#, 5, 3),
            (#"{"input_tokens":5,"output_tokens":3,"input_tokens_details":{"cached_tokens":4}}"#, 5, 3),
            (#"{"cache_read_input_tokens":22,"input_tokens":1,"output_tokens":12}"#, 23, 12),
            (
                #"{"cache_creation_input_tokens":2,"cache_read_input_tokens":null,"input_tokens":1,"output_tokens":0}"#,
                3, 0
            ),
        ])
    func theEnginesCount(usage: String, prompt: Int, completion: Int) throws {
        let record = record(usage: usage, tokens: [0])
        try expect(record, .init(prompt, .engine), .init(completion, .engine))
        #expect(try use(of: record).total == prompt + completion && !use(of: record).isEstimated)
    }

    @Test("Without a count the captured tokens are counted, over all choices")
    func capturedTokens() throws {
        try expect(record(prompt: 9, tokens: [2, 3], level: .tokens), .init(9, .captured), .init(5, .captured))
    }

    @Test("An engine that counts one of several choices counts too few")
    func oneChoiceIsCounted() throws {
        let usage = #"{"prompt_tokens":5,"completion_tokens":3}"#
        try expect(record(usage: usage, tokens: [3, 3], level: .ids), .init(5, .engine), .init(6, .captured))
    }

    @Test("A stream that was cut off has used what came, whatever the engine had counted by then")
    func aCutStream() throws {
        let usage = #"{"input_tokens":5,"output_tokens":1}"#
        let response = #"{"content":[{"type":"text","text":"12345678901234567"}],"usage":\#(usage)}"#
        let cut = record(usage: usage, tokens: [0], finish: nil, response: response, outcome: .clientDisconnected)
        try expect(cut, .init(5, .engine), .init(5, .estimated))
        let counted = record(usage: usage, tokens: [4], finish: nil, outcome: .timeout, level: .ids)
        try expect(counted, .init(5, .engine), .init(4, .captured))
        let ahead = record(
            usage: #"{"prompt_tokens":5,"completion_tokens":9}"#, tokens: [4], finish: nil, outcome: .timeout,
            level: .ids)
        try expect(ahead, .init(5, .engine), .init(9, .engine))
    }

    @Test("Tokens that the engine hides are estimated")
    func hiddenTokens() throws {
        let response = #"{"choices":[{"message":{"content":"ab","reasoning":"123456789012345678"}}]}"#
        let hidden = record(tokens: [1], response: response, level: .logprobs, problems: [.hiddenTokensMissing])
        try expect(hidden, .init(10, .estimated), .init(5, .estimated))
    }

    @Test(
        "Without counts and tokens the length of what was generated decides, in each API",
        arguments: [
            (
                #"{"choices":[{"message":{"role":"assistant","content":"1234","tool_calls":[{"id":"call","function":{"name":"f","arguments":"123"}}]}}]}"#,
                2
            ),
            (#"{"choices":[{"text":"12345"},{"text":"123"}]}"#, 2),
            (#"{"choices":[{"text":"1234","logprobs":{"content":[{"text":"long enough"}]}}]}"#, 1),
            (
                #"{"instructions":"long enough","output":[{"id":"r","type":"reasoning","summary":[{"text":"12"}]},{"content":[{"type":"output_text","text":"12"}]}]}"#,
                1
            ),
            (
                #"{"content":[{"type":"thinking","thinking":"1234"},{"type":"tool_use","id":"t","name":"f","input":{"a":1}}]}"#,
                3
            ),
            (#"{"output":[]}"#, 0), ("[]", 0), ("nothing", 0),
        ])
    func estimates(response: String, tokens: Int) throws {
        let use = record(tokens: [0], response: response).tokenUse
        #expect(use.prompt == .init(10, .estimated))
        #expect(use.completion == .init(tokens, tokens > 0 ? .estimated : .captured))
        #expect(use.isEstimated)
    }

    @Test("What the engine refused has used nothing", arguments: [TurnOutcome.upstreamError, .refused])
    func refusals(outcome: TurnOutcome) throws {
        try expect(record(outcome: outcome, level: .none), .init(0, .captured), .init(0, .captured))
    }

    @Test("A prompt was used though the agent left before the reply began")
    func theAgentLeft() throws {
        let record = record(outcome: .clientDisconnected, level: .none)
        try expect(record, .init(10, .estimated), .init(0, .captured))
    }

    @Test("Absurd counts do not trap")
    func absurdCounts() throws {
        let most = Int.max
        let usage = #"{"input_tokens":\#(most),"cache_read_input_tokens":\#(most),"output_tokens":\#(most)}"#
        _ = record(usage: usage, tokens: [0]).tokenUse.total
        let negative = record(usage: #"{"prompt_tokens":-5,"completion_tokens":-3}"#, tokens: [2]).tokenUse
        #expect(negative == TokenUse(prompt: .init(10, .estimated), completion: .init(2, .captured)))
    }
}
