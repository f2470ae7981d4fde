import Testing
import VerbatimAPI
import VerbatimSchema

/// A request's token limit, lowered to what a budget has left.
@Suite struct TokensLeftTests {
    private func body(_ request: String, api: API, tokens: Int, cap: Int? = nil) throws -> String {
        let choices = try APIRegistry.request(to: api, body: Array(request.utf8)).expectation.choices
        return try prepare(request, api: api) { policy in
            policy.goal = .text
            policy.maxTokensCap = cap
            policy = policy.limited(toTokens: tokens, choices: choices)
        }.bodyText
    }

    @Test(
        "What is left lowers each spelling of the limit, in each API",
        arguments: [
            (.chatCompletions, #"{"max_tokens":500}"#, #"{"max_tokens":40}"#),
            (.chatCompletions, #"{"max_completion_tokens":500}"#, #"{"max_completion_tokens":40}"#),
            (.chatCompletions, #"{"max_tokens":9}"#, #"{"max_tokens":9}"#),
            (.chatCompletions, "{}", #"{"max_tokens":40}"#),
            (.chatCompletions, #"{"n_predict":-1}"#, #"{"n_predict":40,"max_tokens":40}"#),
            (.completions, #"{"max_tokens":500}"#, #"{"max_tokens":40}"#),
            (.responses, #"{"max_output_tokens":500}"#, #"{"max_output_tokens":40}"#),
            (.responses, "{}", #"{"max_output_tokens":40}"#),
            (.messages, #"{"max_tokens":500}"#, #"{"max_tokens":40}"#),
        ] as [(API, String, String)])
    func limits(api: API, request: String, expected: String) throws {
        #expect(try body(request, api: api, tokens: 40) == expected)
    }

    @Test("The smaller of the cap and what is left counts", arguments: [(nil, 40), (50, 40), (40, 40), (30, 30)])
    func aCap(cap: Int?, expected: Int) throws {
        let body = try body(#"{"max_tokens":500}"#, api: .chatCompletions, tokens: 40, cap: cap)
        #expect(body == #"{"max_tokens":\#(expected)}"#)
    }

    @Test(
        "Choices share what is left, and each may have one token",
        arguments: [
            (#"{"n":4,"max_tokens":500}"#, 40, 10), (#"{"n":3,"max_tokens":500}"#, 40, 13),
            (#"{"n":4,"max_tokens":500}"#, 3, 1), (#"{"n":1,"max_tokens":500}"#, 0, 1),
            (#"{"max_tokens":500}"#, -7, 1),
        ])
    func choices(request: String, tokens: Int, limit: Int) throws {
        let body = try body(request, api: .chatCompletions, tokens: tokens)
        #expect(body == request.replacing("500", with: String(limit)))
    }

    @Test func severalPromptsShareToo() throws {
        let body = try body(#"{"prompt":["a","b"],"n":2,"max_tokens":500}"#, api: .completions, tokens: 40)
        #expect(body == #"{"prompt":["a","b"],"n":2,"max_tokens":10}"#)
    }
}
