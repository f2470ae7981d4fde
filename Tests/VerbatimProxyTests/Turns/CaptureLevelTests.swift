import TestSupport
import Testing
import VerbatimAPI
import VerbatimProxy
import VerbatimTesting

@Suite("The capture level and the problems of a record", .onOwnThreads, .timeLimit(.minutes(10)))
struct CaptureLevelTests {
    /// A reply of vLLM, and what its record must state.
    struct Case: Sendable, CustomStringConvertible {
        let name: String
        /// A body, or the events of a stream.
        let reply: [String]
        var isStream = false
        var headers: [(String, String)] = []
        /// What the agent gets, if that is not the reply itself.
        var restored: [String]?
        let capture: String
        /// The fields of the record that are checked.
        var fields: [String: String] = [:]

        var description: String { name }
    }

    private static func entry(_ token: String, _ logprob: String) -> String {
        #"{"token":"\#(token)","logprob":\#(logprob),"bytes":null,"top_logprobs":[]}"#
    }

    private static func body(logprobs: String, ids: String, usage: String = "null") -> String {
        #"{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"ab"},"#
            + #""logprobs":\#(logprobs),"finish_reason":"stop","token_ids":\#(ids)}],"usage":\#(usage),"#
            + #""prompt_token_ids":null}"#
    }

    private static func event(_ text: String, logprobs: String, ids: String, finish: String = "null") -> String {
        #"data: {"choices":[{"index":0,"delta":{"content":"\#(text)"},"logprobs":\#(logprobs),"#
            + #""finish_reason":\#(finish),"token_ids":\#(ids)}]}"# + "\n\n"
    }

    private static let two = #"{"content":[\#(entry("a", "-0.5")),\#(entry("b", "-1e-7"))]}"#
    private static let done = "data: [DONE]\n\n"
    private static let plain = body(logprobs: "null", ids: "null")

    static let cases: [Case] = [
        Case(name: "nothing came", reply: [plain], capture: "text no_token_data", fields: ["per_token_logps": "[]"]),
        Case(
            name: "nothing came in a stream",
            reply: [event("a", logprobs: "null", ids: "null", finish: #""stop""#), done], isStream: true,
            capture: "text no_token_data"),
        Case(
            name: "no choice in a stream", reply: [#"data: {"choices":[]}"# + "\n\n", done], isStream: true,
            capture: "none no_token_data"),
        Case(
            name: "no finish reason in a stream", reply: [event("a", logprobs: "null", ids: "null"), done],
            isStream: true, capture: "text no_token_data finish_reason_missing"),
        Case(
            name: "an error without a field of that name",
            reply: [#"data: {"object":"error","message":"Worker died","code":"500"}"# + "\n\n", done], isStream: true,
            capture: "none", fields: ["outcome": #""upstream_error""#]),
        Case(
            name: "tokens of another text",
            reply: [body(logprobs: #"{"content":[\#(entry("x", "-0.5"))]}"#, ids: "[7]")], restored: [plain],
            capture: "tokens token_text_mismatch"),
        Case(
            name: "no ids", reply: [body(logprobs: two, ids: "null")], restored: [plain], capture: "logprobs complete",
            fields: ["completion_token_ids": "[]", "per_token_logps": "[-0.5,-1e-7]"]),
        Case(
            name: "ids only", reply: [body(logprobs: "null", ids: "[7,8]")], restored: [plain], capture: "ids complete",
            fields: ["completion_token_ids": "[7,8]", "per_token_logps": "[]", "completion_tokens": "[]"]),
        Case(
            name: "more ids than entries", reply: [body(logprobs: two, ids: "[7,8,9]")], restored: [plain],
            capture: "tokens ids_logprobs_mismatch",
            fields: ["completion_token_ids": "[7,8,9]", "per_token_logps": "[-0.5,-1e-7,null]"]),
        Case(
            name: "fewer ids than entries", reply: [body(logprobs: two, ids: "[7]")], restored: [plain],
            capture: "tokens ids_logprobs_mismatch",
            fields: ["completion_token_ids": "[7,null]", "per_token_logps": "[-0.5,-1e-7]"]),
        Case(
            name: "another count", reply: [body(logprobs: two, ids: "[7,8]", usage: #"{"completion_tokens":3}"#)],
            restored: [body(logprobs: "null", ids: "null", usage: #"{"completion_tokens":3}"#)],
            capture: "tokens token_count_mismatch"),
        Case(
            name: "the same count", reply: [body(logprobs: two, ids: "[7,8]", usage: #"{"completion_tokens":2}"#)],
            restored: [body(logprobs: "null", ids: "null", usage: #"{"completion_tokens":2}"#)],
            capture: "tokens complete"),
        Case(
            name: "ids in the texts",
            reply: [body(logprobs: #"{"content":[\#(entry("token_id:15", "-1.0"))]}"#, ids: "null")],
            restored: [plain], capture: "tokens complete",
            fields: ["completion_token_ids": "[15]", "completion_tokens": #"["token_id:15"]"#]),
        Case(
            name: "not a number", reply: [body(logprobs: #"{"content":[\#(entry("a", "NaN"))]}"#, ids: "[7]")],
            restored: [plain], capture: "tokens logprob_missing non_finite_number",
            fields: ["per_token_logps": "[null]", "completion_token_ids": "[7]"]),
        Case(
            name: "several tokens in an event",
            reply: [
                event("ab", logprobs: two, ids: "[7,8]"),
                event("", logprobs: #"{"content":[\#(entry("</s>", "0.0"))]}"#, ids: "[2]", finish: #""stop""#), done,
            ], isStream: true,
            restored: [
                event("ab", logprobs: "null", ids: "null"),
                event("", logprobs: "null", ids: "null", finish: #""stop""#), done,
            ], capture: "tokens complete", fields: ["completion_token_ids": "[7,8,2]"]),
        Case(
            name: "a stream without its end", reply: [event("a", logprobs: two, ids: "[7,8]")], isStream: true,
            restored: [event("a", logprobs: "null", ids: "null")], capture: "tokens stream_not_terminated",
            fields: ["completion_token_ids": "[7,8]"]),
        Case(
            name: "an event that is no JSON",
            reply: [event("a", logprobs: two, ids: "[7,8]", finish: #""stop""#), "data: {oops\n\n", done],
            isStream: true,
            restored: [event("a", logprobs: "null", ids: "null", finish: #""stop""#), "data: {oops\n\n", done],
            capture: "tokens unparsed_event"),
        Case(
            name: "an error in mid-stream",
            reply: [
                event("a", logprobs: two, ids: "[7,8]"),
                #"data: {"error":{"message":"Worker died","code":500}}"# + "\n\n", done,
            ], isStream: true,
            restored: [
                event("a", logprobs: "null", ids: "null"),
                #"data: {"error":{"message":"Worker died","code":500}}"# + "\n\n", done,
            ], capture: "tokens",
            fields: [
                "outcome": #""upstream_error""#, "completion_token_ids": "[7,8]", "finish_reason": "null",
            ]),
        Case(
            name: "a body that is no JSON", reply: ["<html>"], headers: [("Content-Type", "text/html")],
            capture: "none reply_not_json", fields: ["outcome": #""completed""#]),
        Case(
            name: "a compressed body", reply: ["\u{1F}gz"], headers: [("Content-Encoding", "gzip")],
            capture: "none reply_compressed", fields: ["outcome": #""completed""#]),
        Case(
            name: "an empty body", reply: [""], capture: "none reply_not_json"),
        Case(
            name: "a refusal of the model's",
            reply: [
                body(logprobs: #"{"content":null,"refusal":[\#(entry("No", "-0.125"))]}"#, ids: "[9]")
                    .replacing(#""content":"ab""#, with: #""content":null,"refusal":"No""#)
            ], restored: [plain.replacing(#""content":"ab""#, with: #""content":null,"refusal":"No""#)],
            capture: "tokens complete",
            fields: ["logprobs": "null", "per_token_logps": "[-0.125]", "completion_tokens": #"["No"]"#]),
    ]

    @Test("A record states what its capture lacks, and the agent gets the restored reply", arguments: cases)
    func recordStatesWhatItsCaptureLacks(example: Case) async throws {
        let script: MockEngine.Script = { exchange in
            guard example.isStream else {
                return try await exchange.respond(headers: example.headers, body: example.reply[0])
            }
            try await exchange.startEventStream()
            for event in example.reply { try await exchange.sendChunk(event) }
            try await exchange.finishStream()
        }
        try await CaptureProxy.run(script) {
            $0.engine = .vllm
        } _: { proxy in
            for model in ["m", "n"] {
                let response = try await proxy.ask(CaptureRequest(model: model, stream: example.isStream).body)
                let expected = example.restored ?? example.reply
                #expect(response.bodyText == expected.joined())
                if example.isStream { #expect(response.chunks.map { String(decoding: $0, as: UTF8.self) } == expected) }
                #expect(response.status == 200 && response.complete)
            }
            let records = try proxy.records()
            #expect(records.count == 2)
            for record in records {
                #expect(record.capture == example.capture)
                for (name, value) in example.fields { #expect(record[name] == value, "\(name)") }
            }
        }
    }

    @Test("A request for a stream gets the whole reply that the engine makes of it")
    func aWholeReplyToAStreamRequest()
        async throws
    {
        let script: MockEngine.Script = { exchange in
            try await exchange.respond(
                headers: [("Content-Type", "application/json")], body: Self.body(logprobs: Self.two, ids: "[7,8]"))
        }
        try await CaptureProxy.run(script) { proxy in
            let response = try await proxy.ask(CaptureRequest(stream: true).body)
            #expect(response.bodyText == Self.plain && response.header("Content-Length") == "\(Self.plain.utf8.count)")
            let record = try #require(try proxy.records().first)
            #expect(record.capture == "tokens complete" && record["stream"] == "true" && record["engine"] == #""vllm""#)
        }
    }

    @Test(
        "The capture goal decides what is injected and what counts as missing",
        arguments: [
            (CaptureGoal.tokens, "logprobs:5 ids", "tokens complete"), (.logprobs, "logprobs:5", "logprobs complete"),
            (.text, "", "text complete"),
        ])
    func captureGoalDecidesWhatIsInjected(goal: CaptureGoal, injected: String, capture: String) async throws {
        try await CaptureProxy.run(CaptureScript.chat(.vllm).serve) {
            $0.policy.goal = goal
        } _: { proxy in
            _ = try await proxy.ask(CaptureRequest(stream: true).body)
            #expect(proxy.forwarded.map(RejectionRetryTests.injected) == [injected])
            #expect(try proxy.records().map(\.capture) == [capture])
        }
    }
}
