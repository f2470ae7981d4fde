import Testing
import Verbatim

@testable import VerbatimCLI

@Suite("Traces as text")
struct TraceRenderingTests {
    // MARK: Tokens

    @Test("Without colors, a token below 100 % is followed by its probability")
    func tokensWithoutColors() {
        let renderer = TokenRenderer(color: false)
        #expect(renderer.render(["Hel", "lo", "!"], [0, -0.6931471805599453, nil]) == "Hello[50.0%]![?]")
        #expect(renderer.render(["a"], []) == "a[?]")
        #expect(renderer.render([], []) == "")
    }

    @Test("With colors, each token is on the color of its probability")
    func tokensWithColors() {
        let text = TokenRenderer(color: true).render(["a\n", "b"], [-0.01, -5])
        #expect(text.contains("\u{1B}[38;5;255;48;5;22ma\u{1B}[0m"))
        #expect(text.contains("⏎\u{1B}[0m\n"), "a color ends before its line")
        #expect(text.contains("48;5;124mb\u{1B}[0m"))
        #expect(text.contains(" unknown "), "there is a legend")
    }

    @Test("The table has a line per token with its id and log-probability")
    func tableOfTokens() {
        let table = TokenRenderer(color: false).table(["a\n", "\"b\""], ids: [7], logprobs: [-0.1, nil])
        let lines = table.split(separator: "\n").map { $0.split(separator: " ", omittingEmptySubsequences: true) }
        #expect(lines.count == 3)
        #expect(lines[1] == ["0", "7", "-0.100000", "90.5%", #""a\n""#])
        #expect(lines[2] == ["1", "-", "-", "-", #""\"b\"""#])
    }

    @Test("What is unknown of one token does not hide what is known of the others")
    func tableWithUnknown() {
        let renderer = TokenRenderer(color: false)
        let lines = renderer.table(["a", nil, "c"], ids: [7, nil, 9], logprobs: [-0.1, nil, -0.1]).split(
            separator: "\n"
        )
        .map { $0.split(separator: " ", omittingEmptySubsequences: true) }
        #expect(lines[1] == ["0", "7", "-0.100000", "90.5%", #""a""#])
        #expect(lines[2] == ["1", "-", "-", "-", "-"])
        #expect(lines[3] == ["2", "9", "-0.100000", "90.5%", #""c""#])
        #expect(renderer.render(["a", nil, "c"], [0, nil, 0]) == "a⍰[?]c")
    }

    @Test("A turn is shown with the tokens that are known, although some are not")
    func turnWithUnknownTokens() throws {
        let record = #"""
            {"turn":1,"session_id":"s","request":{},"response":{},"completion_tokens":["a","b"],\#
            "completion_token_ids":[7,null],"per_token_logps":[-0.1,null]}
            """#
        let turn = try Turn(json: Array(record.utf8))
        #expect(turn.completionTokenIDs == [], "a list with missing ids is not returned as one without")
        #expect(turn.choices[0].knownTokenIDs == [7, nil])
        let shown = TurnPrinter(color: false, showing: .table).text(of: turn)
        #expect(shown.contains(#"7    -0.100000   90.5%  "a""#))
        #expect(shown.contains(#"-            -       -  "b""#))
    }

    @Test("Control characters in a token are made visible")
    func controlCharacters() {
        let hostile = "a\u{1B}[2J\r\u{7}\u{9B}b\u{202E}\tc\nd"
        #expect(hostile.printable == "a\\u{1b}[2J\\u{d}\\u{7}\\u{9b}b\\u{202e}\tc\nd")
        #expect(TokenRenderer(color: false).render([hostile], [0]) == hostile.printable)
        #expect(!hostile.quoted.contains("\u{1B}"))
    }

    // MARK: Text

    @Test(
        "Numbers are rounded to a fixed number of decimals",
        arguments: [
            (1.5, 0, "2"), (1.25, 1, "1.3"), (-0.0001, 2, "0.00"), (-1.005, 1, "-1.0"), (0.05, 3, "0.050"),
            (12, 2, "12.00"),
            (.nan, 2, "nan"), (1e300, 2, "1e+300"),
        ])
    func fixed(_ value: Double, _ decimals: Int, _ expected: String) {
        #expect(value.fixed(decimals) == expected)
    }

    @Test("A long text is cut to lines and characters, and says how much is missing")
    func longTexts() {
        #expect("abc".shortened(toLines: 2, characters: 3) == "abc")
        #expect("abcdef".shortened(toLines: 2, characters: 3) == "abc… (3 more characters)")
        #expect("a\nb\nc".shortened(toLines: 2, characters: 9) == "a\nb… (2 more characters)")
    }

    // MARK: Requests and replies

    @Test(
        "A request is shown by its last message, tool result or prompt",
        arguments: [
            (#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"hi"}]}"#, "user", "hi"),
            (
                #"{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url"}]}]}"#, "user",
                "a\n[image_url]"
            ),
            (#"{"messages":[{"role":"tool","content":null}]}"#, "tool", ""),
            (#"{"prompt":"once"}"#, "prompt", "once"), (#"{"prompt":[1,2]}"#, "prompt", "1\n2"),
            (#"{"input":"ask"}"#, "prompt", "ask"),
            (#"{"input":[{"type":"function_call_output","output":"42"}]}"#, "input", "42"),
            (
                #"{"messages":[{"role":"user","content":"fix it"},{"role":"system","content":"be brief"}]}"#, "user",
                "fix it"
            ),
            (
                #"""
                {"messages":[{"role":"user","content":[{"type":"text","text":"<system-reminder>x"},\#
                {"type":"text","text":"fix it"}]},{"role":"assistant","content":"{"}]}
                """#,
                "user", "fix it"
            ),
            (
                #"{"input":[{"type":"function_call_output","output":"42"},{"role":"developer","content":"d"}]}"#,
                "input", "42"
            ),
            (#"{"input":[{"role":"user","content":"q"},{"type":"reasoning","summary":[]}]}"#, "user", "q"),
            (#"{"messages":[{"role":"system","content":"only"}]}"#, "system", "only"),
        ])
    func lastMessages(_ request: String, _ speaker: String, _ text: String) {
        #expect(RequestExcerpt(Array(request.utf8)).lastMessage == Excerpt(speaker: speaker, text: text))
    }

    @Test("A request without a message shows nothing", arguments: ["", "null", "{}", #"{"messages":[]}"#, "[1]"])
    func requestsWithoutAMessage(_ request: String) {
        #expect(RequestExcerpt(Array(request.utf8)).lastMessage == nil)
    }

    @Test(
        "A reply is shown by its texts and tool calls, whatever its API",
        arguments: [
            (
                #"""
                {"choices":[{"message":{"content":"c","reasoning_content":"r","refusal":null,\#
                "tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}}]}
                """#,
                ["assistant (reasoning): r", "assistant: c", "tool call: f({})"]
            ),
            (
                #"{"choices":[{"index":0,"text":"a"},{"index":1,"message":{"refusal":"no"}}]}"#,
                ["choice 0: a", "choice 1 (refusal): no"]
            ),
            (
                #"{"choices":[],"upstream_status":404,"upstream_error":{"error":{"message":"no such model"}}}"#,
                ["error: no such model"]
            ),
            (#"{"choices":[],"upstream_error":{"detail":"x"}}"#, [#"error: {"detail":"x"}"#]),
            (
                #"""
                {"content":[{"type":"thinking","thinking":"t"},{"type":"text","text":"x"},\#
                {"type":"tool_use","name":"f","input":{"a":1}}]}
                """#,
                ["assistant (reasoning): t", "assistant: x", #"tool call: f({"a":1})"#]
            ),
            (
                #"""
                {"output":[{"type":"reasoning","summary":[{"type":"summary_text","text":"s"}]},\#
                {"type":"message","content":[{"type":"output_text","text":"x"}]},\#
                {"type":"function_call","name":"f","arguments":"{}"}]}
                """#,
                ["assistant (reasoning): s", "assistant: x", "tool call: f({})"]
            ),
            ("null", []), ("{}", []),
        ])
    func replies(_ reply: String, _ parts: [String]) {
        #expect(ReplyExcerpt(Array(reply.utf8)).parts.map { "\($0.speaker): \($0.text)" } == parts)
    }

    // MARK: Turns

    private static let record = #"""
        {"turn":2,"request":{"messages":[{"role":"user","content":"hi"}]},\#
        "response":{"choices":[{"message":{"content":"Hello"}}]},"completion_tokens":["Hel","lo"],\#
        "completion_token_ids":[1,2],"per_token_logps":[-0.1,null],"finish_reason":"stop","latency_s":1.5,"timestamp":1,\#
        "schema":"verbatim.turn/1","session_id":"s","dialect":"chat.completions","path":"/","stream":true,\#
        "outcome":"completed","status":200,"usage":{"prompt_tokens":3,"completion_tokens":2},"model":"m","ttft_s":0.25,\#
        "capture":{"level":"tokens","complete":false,"problems":["logprob_missing"]}}
        """#

    @Test("A turn is shown by its title, figures, problems, last message and reply")
    func turnAsText() throws {
        let turn = try Turn(json: Array(Self.record.utf8))
        #expect(
            TurnPrinter(color: false, showing: .none).text(of: turn) == """
                ── turn 2 · session s · m · chat.completions stream · 200 completed
                  2 tokens after 3 · stop · 1.500 s, first token after 0.250 s · captured: tokens, incomplete
                  problems: logprob_missing
                user: hi
                assistant: Hello
                """)
        let withTokens = TurnPrinter(color: false, showing: .table).text(of: turn)
        #expect(withTokens.contains("tokens:\nHel[90.5%]lo[?]\n"))
    }

    @Test("A turn's title names the turn that it retries and the session that started its own")
    func origins() throws {
        let record = Self.record.replacing(
            #""session_id":"s""#, with: #""session_id":"s:a","parent_session_id":"s","retry_of":1"#)
        let text = TurnPrinter(color: false, showing: .none).text(of: try Turn(json: Array(record.utf8)))
        #expect(text.hasPrefix("── turn 2, a retry of turn 1 · session s:a, started by s · m · "))
    }

    @Test("A summary counts turns, sessions, outcomes and tokens")
    func summary() throws {
        var summary = TraceSummary()
        #expect(summary.table.contains("complete captures   -"))
        for _ in 1...3 { summary.add(try Turn(json: Array(Self.record.utf8))) }
        summary.add(try Turn(json: Array(#"{"turn":1,"latency_s":0.5,"response":{"upstream_error":{}}}"#.utf8)))
        let lines = summary.table.split(separator: "\n").map(String.init)
        #expect(lines.contains("turns               4"))
        #expect(lines.contains("sessions            2"))
        #expect(lines.contains("complete captures   0 (0.0%)"))
        #expect(lines.contains("completion tokens   6"))
        #expect(lines.contains { $0.hasSuffix(" 3  completed") })
        #expect(lines.contains { $0.hasSuffix(" 1  upstream_error") })
        #expect(lines.contains("latency, s               0.500     1.500     1.500     1.500"))
    }
}
