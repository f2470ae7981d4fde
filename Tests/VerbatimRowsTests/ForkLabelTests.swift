import Testing

@testable import VerbatimRows

/// Why a prompt leaves the turn before: the second request of each case repeats the first one and what the model said,
/// changed in one way.
@Suite struct ForkLabelTests {
    private static let system = #"{"role":"system","content":"Be brief."}"#
    private static let user = #"{"role":"user","content":"List the files."}"#
    private static let arguments = #"{\"command\": \"ls\"}"#
    private static let result = #"{"role":"tool","content":"a b"}"#

    private static func call(_ arguments: String) -> String {
        #""tool_calls":[{"id":"1","type":"function","function":{"name":"sh","arguments":"\#(arguments)"}}]"#
    }

    private static func request(_ messages: [String], _ fields: String = "") -> String {
        #"{"model":"m","tools":[{}],"messages":[\#(messages.joined(separator: ","))]\#(fields)}"#
    }

    private func fork(
        said: String, tokens: [String], first: [String] = [system, user], second: [String], shared: Int,
        fields: (String, String) = ("", ""), finish: String = "stop"
    ) throws -> Fork? {
        let prompt = [1, 2, 3]
        let completion = (0..<tokens.count).map { 10 + $0 }
        let kept = Array((prompt + completion).prefix(shared))
        let turns = [
            SampleTurn(
                turn: 1, prompt: prompt, completion: completion, finish: finish,
                request: Self.request(first, fields.0),
                response: #"{"choices":[{"index":0,"message":{"role":"assistant",\#(said)}}]}"#, tokens: tokens),
            SampleTurn(
                turn: 2, prompt: kept + [90, 91], completion: [99],
                request: Self.request(second, fields.1)),
        ]
        return try rollouts(turns).first?.rows.last?.fork
    }

    @Test("A tool call that is written in another way is recognized by its parsed arguments") func toolCall() throws {
        let echo = #"{"role":"assistant","content":"",\#(Self.call(#"{\"command\":\"ls\"}"#))}"#
        let fork = try fork(
            said: #""content":"","# + Self.call(Self.arguments), tokens: ["<tool_call>", "{", "}"],
            second: [Self.system, Self.user, echo, Self.result], shared: 4)
        #expect(fork?.kind == .insideCompletion && fork?.position == 4 && fork?.lostTokens == 2)
        #expect(fork?.label == .toolCallRewritten)
    }

    @Test("Reasoning that the agent sends back, or not") func reasoning() throws {
        let tokens = ["Hm", "</think>", "Yes"]
        let with = #"{"role":"assistant","content":"Yes","reasoning_content":"Hm"}"#
        let without = #"{"role":"assistant","content":"Yes"}"#
        let next = #"{"role":"user","content":"Go on."}"#
        let said = #""content":"Yes","reasoning_content":"Hm""#
        let dropped = try fork(said: said, tokens: tokens, second: [Self.system, Self.user, with, next], shared: 3)
        #expect(dropped?.label == .reasoningDropped)
        let missing = try fork(said: said, tokens: tokens, second: [Self.system, Self.user, without, next], shared: 3)
        #expect(missing?.label == .reasoningNotEchoed)
        let inText = try fork(
            said: #""content":"Hm</think>Yes""#, tokens: tokens,
            second: [Self.system, Self.user, #"{"role":"assistant","content":"Hm</think>\nYes"}"#, next], shared: 3)
        #expect(inText?.label == .reasoningDropped)
    }

    @Test("A text that a stop string cut, that was changed, or that has other tokens") func text() throws {
        let tokens = ["A", "B", "C"]
        func second(_ content: String) -> [String] {
            [Self.system, Self.user, #"{"role":"assistant","content":"\#(content)"}"#, Self.result]
        }
        let stopped = try fork(
            said: #""content":"AB""#, tokens: tokens, second: second("AB"), shared: 5,
            fields: (#","stop":["C"]"#, #","stop":["C"]"#))
        #expect(stopped?.label == .stopString)
        #expect(
            try fork(said: #""content":"ABC""#, tokens: tokens, second: second("A!"), shared: 4)?.label
                == .textRewritten)
        #expect(
            try fork(said: #""content":"ABC""#, tokens: tokens, second: second("ABC"), shared: 4)?.label == .retokenized
        )
    }

    @Test("A prompt that changes before the reply") func prompt() throws {
        let said = #""content":"A""#
        let echo = #"{"role":"assistant","content":"A"}"#
        func label(_ first: [String], _ second: [String], _ fields: String = "") throws -> Fork.Label? {
            let fork = try fork(
                said: said, tokens: ["A"], first: first, second: second, shared: 2, fields: ("", fields))
            #expect(fork?.kind == .insidePrompt)
            return fork?.label
        }
        let other = #"{"role":"system","content":"Be long."}"#
        let billing = ["1", "2"].map { #"{"role":"system","content":"x-anthropic-billing-header: \#($0)"}"# }
        #expect(try label([Self.system, Self.user], [other, Self.user, echo]) == .systemChanged)
        #expect(try label([billing[0], Self.user], [billing[1], Self.user, echo]) == .volatilePrefix)
        #expect(try label([Self.system, Self.user, Self.result], [Self.system, Self.result, echo]) == .historyTrimmed)
        #expect(try label([Self.system, Self.user], [Self.system, Self.user, echo, Self.user]) == .reasoningDropped)
        #expect(
            try label([Self.system, Self.user], [Self.system, Self.user, echo], #","tools":[{"a":1}]"#) == .toolsChanged
        )
    }
}
