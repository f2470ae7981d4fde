import VerbatimTrace

@testable import VerbatimRows

/// A turn as a test states it: only what rows depend on.
struct SampleTurn {
    var session = "s"
    var parent: String?
    var turn: Int
    var prompt: [Int]?
    var completion: [Int]
    var logprobs: [Double?]?
    var outcome = "completed"
    var finish = "stop"
    var retryOf: Int?
    var start: Double?
    var request = #"{"model":"m","tools":[{}]}"#
    var response = "{}"
    /// The texts of the sampled tokens; by default `t` and the id.
    var tokens: [String]?
    /// Further choices, each with its sampled tokens.
    var otherChoices: [[Int]] = []

    var line: String {
        func text(_ ids: [Int]) -> String { "[" + ids.map(String.init).joined(separator: ",") + "]" }
        func list(_ values: [Double?]) -> String {
            "[" + values.map { $0.map { "\($0)" } ?? "null" }.joined(separator: ",") + "]"
        }
        func data(_ ids: [Int], _ values: [Double?]) -> String {
            let texts = tokens ?? ids.map { "t\($0)" }
            let tokens = "[" + texts.map { "\"\($0)\"" }.joined(separator: ",") + "]"
            return #""completion_tokens":\#(tokens),"completion_token_ids":\#(text(ids)),"per_token_logps":"#
                + list(values) + #","finish_reason":"\#(finish)""#
        }
        func scored(_ ids: [Int]) -> [Double?] { ids.map { -Double($0) / 1000 } }
        var fields = [
            #""turn":\#(turn)"#, #""session_id":"\#(session)""#, #""request":\#(request)"#, #""response":\#(response)"#,
            data(completion, logprobs ?? scored(completion)), #""outcome":"\#(outcome)""#,
            #""timestamp":\#(start ?? Double(turn) * 10)"#, #""latency_s":1.5"#,
            #""prompt_token_ids":\#(prompt.map(text) ?? "null")"#,
            #""capture":{"level":"tokens","complete":true,"problems":[]}"#,
        ]
        if let parent { fields.append(#""parent_session_id":"\#(parent)""#) }
        if let retryOf { fields.append(#""retry_of":\#(retryOf)"#) }
        if !otherChoices.isEmpty {
            let choices = ([completion] + otherChoices).enumerated().map { index, ids in
                #"{"index":\#(index),"# + data(ids, scored(ids)) + "}"
            }
            fields.append(#""choices":[\#(choices.joined(separator: ","))]"#)
        }
        return "{" + fields.joined(separator: ",") + "}"
    }
}

func rollouts(_ turns: [SampleTurn]) throws -> [Rollout] {
    var builder = RowBuilder()
    for turn in turns { builder.add(try Turn(json: Array(turn.line.utf8))) }
    return builder.rollouts()
}

/// The rows of one rollout, each as its turns and its trained tokens.
func rows(_ turns: [SampleTurn]) throws -> [String] {
    try rollouts(turns).flatMap(\.rows).map { row in
        let path = row.spans.map { $0.choice == 0 ? "\($0.key.turn)" : "\($0.key.turn).\($0.choice)" }
        let trained = zip(row.inputIDs, row.lossMask).filter(\.1).map { String($0.0) }
        return path.joined(separator: "-") + ": " + trained.joined(separator: " ")
    }
}
