import Foundation
import TestSupport
import Testing
import VerbatimAPI
import VerbatimJSON
import VerbatimSchema
import VerbatimTesting

/// The message with which a session ends whose budget is used up.
@Suite struct FinalMessageTests {
    /// A request to an API; `fields` come after the model and the input.
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let api: API
        var fields = ""

        var testDescription: String { name }

        var request: String {
            let input =
                switch api {
                case .chatCompletions: #""messages":[{"role":"user","content":"Hi"}]"#
                case .completions: #""prompt":"Hi""#
                case .responses: #""input":"Hi""#
                case .messages: #""max_tokens":9,"messages":[{"role":"user","content":"Hi"}]"#
                }
            return #"{"model":"tiny/tiny-1",\#(input)\#(fields.isEmpty ? "" : ",")\#(fields)}"#
        }

        func message(_ text: String = FinalMessageTests.text) throws -> FinalMessage {
            let request = try APIRegistry.request(to: api, body: Array(request.utf8))
            return FinalMessage(for: request.expectation, text: text, id: "0a1b", time: 1_800_000_000)
        }

        /// What captures the reply.
        func reply() throws -> any ReplyTransform {
            try prepare(request, api: api) { $0.goal = .text }.reply
        }
    }

    static let text = "That was \"all\":\n\u{e9}\u{2603}\u{1F600}"

    static let schema =
        #"{"type":"object","properties":{"answer":{"type":"string"},"score":{"type":"integer","minimum":1}},"required":["answer","score"],"additionalProperties":false}"#
    private static let tools =
        #""tools":[{"type":"function","function":{"name":"bash","parameters":{}}}],"tool_choice":"required""#

    static let cases: [Case] =
        API.allCases.flatMap { api in
            [
                Case(name: "\(api.rawValue) whole", api: api),
                Case(name: "\(api.rawValue) streamed", api: api, fields: #""stream":true"#),
            ]
        } + [
            Case(
                name: "chat.completions streamed with usage", api: .chatCompletions,
                fields: #""stream":true,"stream_options":{"include_usage":true}"#),
            Case(
                name: "chat.completions streamed without usage", api: .chatCompletions,
                fields: #""stream":true,"stream_options":{"include_usage":false}"#),
            Case(name: "chat.completions of two", api: .chatCompletions, fields: #""n":2"#),
            Case(name: "chat.completions streamed of two", api: .chatCompletions, fields: #""n":2,"stream":true"#),
            Case(name: "chat.completions with tools", api: .chatCompletions, fields: tools),
            Case(
                name: "chat.completions streamed with tools", api: .chatCompletions, fields: #"\#(tools),"stream":true"#
            ),
            Case(
                name: "chat.completions with a schema", api: .chatCompletions,
                fields: #""response_format":{"type":"json_schema","json_schema":{"name":"a","schema":\#(schema)}}"#),
            Case(
                name: "chat.completions of an object", api: .chatCompletions,
                fields: #""response_format":{"type":"json_object"}"#),
            Case(
                name: "completions streamed with usage", api: .completions,
                fields: #""stream":true,"stream_options":{"include_usage":true},"n":2"#),
            Case(
                name: "responses with a schema", api: .responses,
                fields: #""text":{"format":{"type":"json_schema","name":"a","schema":\#(schema)}}"#),
            Case(
                name: "responses streamed with a schema", api: .responses,
                fields: #""stream":true,"text":{"format":{"type":"json_schema","name":"a","schema":\#(schema)}}"#),
            Case(
                name: "messages with a schema", api: .messages,
                fields: #""output_config":{"format":{"type":"json_schema","schema":\#(schema)}}"#),
        ]

    /// The parser of its API takes it for a reply that is whole and says what it should.
    @Test(arguments: cases)
    func theParserFindsNothingMissing(example: Case) throws {
        let message = try example.message()
        let isStream = example.fields.contains(#""stream":true"#)
        #expect(message.isStream == isStream)
        #expect(message.contentType.hasPrefix(isStream ? "text/event-stream" : "application/json"))
        let capture: Capture
        if isStream {
            let driver = StreamDriver.run(try example.reply(), message.body)
            #expect(driver.output == message.body && driver.errors.isEmpty)
            #expect(driver.events.count == message.parts.count)
            #expect(driver.events.dropLast().allSatisfy(\.isUntouched) && driver.events.last?.isTerminal == true)
            capture = driver.reply.captured()
        } else {
            #expect(message.parts.count == 1)
            capture = readWhole(try example.reply(), message.body).reply.captured()
        }
        #expect(capture.isComplete && capture.problems == [] && capture.level == .text)
        let reason =
            switch example.api {
            case .chatCompletions, .completions: #""stop""#
            case .responses: #""completed""#
            case .messages: #""end_turn""#
            }
        #expect(capture.choices.map(\.finishReason.text) == [String?](repeating: reason, count: capture.choices.count))
        #expect(capture.choices.count == (example.fields.contains(#""n":2"#) ? 2 : 1))
        #expect(capture.model.text == #""tiny/tiny-1""#)
        let counts = try #require(JSONTree(parsing: capture.response.bytes).members)
        if let usage = capture.usage, usage != Array("null".utf8) {
            #expect(String(decoding: usage, as: UTF8.self).matches(of: /[1-9]/).isEmpty)
        } else {
            #expect(counts[Array("usage".utf8)] == .null)
        }
        #expect(!capture.responseText.contains(#""tool_calls""#))
        let texts = try self.texts(of: capture)
        for text in texts {
            if example.fields.contains("json_object") {
                #expect(try decoded(text) == ["message": Self.text] as NSDictionary)
            } else if example.fields.contains("schema") {
                #expect(try decoded(text) == ["answer": Self.text, "score": 1] as NSDictionary)
            } else {
                #expect(text == Self.text)
            }
        }
    }

    private func texts(of capture: Capture) throws -> [String] {
        let reply = try #require(decoded(capture.response.bytes) as? [String: Any])
        if let choices = reply["choices"] as? [[String: Any]] {
            return choices.compactMap {
                ($0["message"] as? [String: Any])?["content"] as? String ?? $0["text"] as? String
            }
        }
        let items = (reply["output"] ?? reply["content"]) as? [[String: Any]] ?? []
        return items.flatMap { ($0["content"] as? [[String: Any]] ?? [$0]).compactMap { $0["text"] as? String } }
    }

    @Test func anEmptyTextIsReplaced() throws {
        for api in API.allCases {
            let message = try Case(name: "", api: api).message("")
            #expect(String(decoding: message.body, as: UTF8.self).contains(FinalMessage.defaultText))
        }
    }

    @Test func usageComesOnlyIfItIsAskedFor() throws {
        for example in Self.cases where example.fields.contains(#""stream":true"#) {
            let text = String(decoding: try example.message().body, as: UTF8.self)
            guard example.api == .chatCompletions || example.api == .completions else { continue }
            #expect(text.contains("usage") == example.fields.contains(#""include_usage":true"#))
            #expect(text.hasSuffix("data: [DONE]\n\n"))
        }
    }

    /// The numbers of the events and the ids in them fit together.
    @Test func theEventsOfAResponseAreNumbered() throws {
        let message = try Case(name: "", api: .responses, fields: #""stream":true"#).message()
        let events = message.parts.map { String(decoding: $0, as: UTF8.self) }
        let types = events.map { $0.split(separator: "\n")[0].dropFirst("event: ".count) }
        #expect(
            types == [
                "response.created", "response.in_progress", "response.output_item.added",
                "response.content_part.added", "response.output_text.delta", "response.output_text.done",
                "response.content_part.done", "response.output_item.done", "response.completed",
            ])
        for (number, event) in events.enumerated() {
            #expect(event.contains(#""type":"\#(types[number])","sequence_number":\#(number),"#))
        }
    }

    @Test(arguments: [
        ("{", 1), (#"{"n":5000}"#, 1), (#"{"n":3}"#, 3), (#"{"n":0}"#, 1), (#"{"n":"2"}"#, 1),
        (#"{"prompt":["a","b"],"n":2}"#, 4), (#"{"prompt":[1,2,3]}"#, 1),
    ])
    func choicesAreCounted(body: String, choices: Int) throws {
        guard let request = try? APIRegistry.request(to: .completions, body: Array(body.utf8)) else { return }
        #expect(request.expectation.choices == choices)
    }

    /// The official clients read these (`Tests/e2e/test_endings.py`).
    @Test func fixtures() throws {
        let replies = try Self.cases.map { example in
            let message = try example.message()
            return EndingFixture(
                name: example.name, path: "/v1" + example.api.route, request: example.request,
                headers: ["Content-Type": message.contentType], body: String(decoding: message.body, as: UTF8.self))
        }
        #expect(try EndingFixture.stored(in: "final-messages.jsonl", after: replies) == replies)
    }
}
