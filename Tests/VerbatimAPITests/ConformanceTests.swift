import Testing
import VerbatimAPI
import VerbatimJSON
import VerbatimTesting

/// Every API and every engine profile, held against the suites of their extension points.
@Suite struct ConformanceTests {
    /// A new API is covered by one more element.
    static let parsers: [ReplyParserConformance] = [
        .chatCompletions(.vllm), .chatCompletions(.llamaCpp), .completions, .responses, .messages,
    ]

    @Test(arguments: parsers)
    func parserConforms(parser: ReplyParserConformance) throws {
        let violations = try parser.violations()
        #expect(violations.isEmpty, "\(violations.map(\.description).joined(separator: "\n"))")
    }

    @Test(arguments: Faulty.Fault.allCases)
    fileprivate func faultyTransformIsReported(fault: Faulty.Fault) throws {
        let sound = ReplyParserConformance.chatCompletions(.vllm)
        let faulty = ReplyParserConformance(
            sound.api, profile: sound.profile, streams: sound.streams, bodies: sound.bodies
        ) { Faulty(parser: $0, fault: fault) }
        #expect(try !faulty.violations().isEmpty)
    }

    @Test func everyAPIIsCovered() {
        #expect(Set(Self.parsers.map(\.api)) == Set(API.allCases))
    }

    @Test(arguments: EngineProfile.all + [.generic])
    func engineProfileConforms(profile: EngineProfile) throws {
        let violations = try EngineProfileConformance(profile).violations()
        #expect(violations.isEmpty, "\(violations.map(\.description).joined(separator: "\n"))")
    }
}

/// A transform with one fault.
private struct Faulty: ReplyTransform {
    enum Fault: CaseIterable {
        case keepsInjection, missesTheEnd, dropsErrors
    }

    var parser: any ReplyTransform
    let fault: Fault

    var mayChangeReply: Bool { true }
    var edits: JSONEdits { fault == .keepsInjection ? JSONEdits() : parser.edits }
    var recognized: EngineProfile? { parser.recognized }
    var error: [UInt8]? { fault == .dropsErrors ? nil : parser.error }
    var hasOutput: Bool { parser.hasOutput }

    mutating func use(_ profile: EngineProfile) { parser.use(profile) }
    func isTerminal(event: Span<UInt8>) -> Bool { fault != .missesTheEnd && parser.isTerminal(event: event) }
    func captured() -> Capture { parser.captured() }
    func ending(for expected: ExpectedReply, usage: EndingUsage) -> StreamEnding {
        parser.ending(for: expected, usage: usage)
    }
    mutating func read(event: Span<UInt8>) -> EventDisposition { parser.read(event: event) }
    mutating func read(body: Span<UInt8>) -> BodyDisposition { parser.read(body: body) }
}

// MARK: Samples

extension ReplyParserConformance {
    typealias Pair = (sent: String, restored: String?)

    /// A stream of events, each as sent by the engine and as received by the agent; nil for an event that is dropped.
    private static func stream(
        _ name: String, _ request: String, _ events: [Pair], tokens: Int, ending: String = "data: [DONE]\n\n"
    ) -> Sample {
        Sample(
            name: name, request: request, reply: events.map { "data: \($0.sent)\n\n" }.joined() + ending,
            restored: events.compactMap(\.restored).map { "data: \($0)\n\n" }.joined() + ending, tokenCount: tokens)
    }

    /// The same, for APIs whose events have names and whose last event is terminal.
    private static func namedStream(_ name: String, _ request: String, _ events: [Pair], tokens: Int) -> Sample {
        func text(_ data: String) -> String {
            let type = data.firstMatch(of: /"type":"([a-z_.]+)"/).map { String($0.1) } ?? "message"
            return "event: \(type)\ndata: \(data)\n\n"
        }
        return Sample(
            name: name, request: request, reply: events.map { text($0.sent) }.joined(),
            restored: events.compactMap(\.restored).map(text).joined(), tokenCount: tokens)
    }

    private static func entry(_ token: String, _ logprob: String, _ id: String = "") -> String {
        #"{"token":"\#(token)",\#(id)"logprob":\#(logprob),"bytes":[1],"top_logprobs":[{"token":"x","logprob":-9.5,"bytes":null}]}"#
    }

    static func chatCompletions(_ profile: EngineProfile) -> ReplyParserConformance {
        let isVLLM = profile == .vllm
        func chunk(_ delta: String, _ logprobs: String?, _ ids: String?, finish: String = "null") -> String {
            let logprobs = logprobs.map { #","logprobs":\#($0)"# } ?? ""
            let ids = ids.map { #","token_ids":\#($0)"# } ?? ""
            return
                #"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":\#(delta)\#(logprobs),"finish_reason":\#(finish)\#(ids)}]}"#
        }
        func token(_ number: Int, finish: String = "null") -> Pair {
            let delta = #"{"content":" w\#(number)\u00e9"}"#
            let id = isVLLM ? "" : #""id":\#(number),"#
            let logprobs = #"{"content":[\#(entry(#" w\#(number)\u00e9"#, "-0.\(number)125", id))]}"#
            return (
                chunk(delta, logprobs, isVLLM ? "[\(number)]" : nil, finish: finish),
                chunk(delta, isVLLM ? "null" : nil, isVLLM ? "null" : nil, finish: finish)
            )
        }
        let role = chunk(#"{"role":"assistant","content":""}"#, isVLLM ? "null" : nil, isVLLM ? "null" : nil)
        let usage =
            #"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":4,"completion_tokens":6,"total_tokens":10}}"#
        let events = [(role, role)] + (1...5).map { token($0) } + [token(6, finish: #""length""#), (usage, usage)]
        func body(_ logprobs: String?, _ ids: String?) -> String {
            let logprobs = logprobs.map { #","logprobs":\#($0)"# } ?? ""
            let ids = ids.map { #","token_ids":\#($0)"# } ?? ""
            return
                #"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a b"}\#(logprobs),"finish_reason":"stop"\#(ids)}],"usage":{"completion_tokens":2}}"#
        }
        let entries = [entry("a", "-0.5", isVLLM ? "" : #""id":1,"#), entry(" b", "-1e-3", isVLLM ? "" : #""id":2,"#)]
        return ReplyParserConformance(
            .chatCompletions, profile: profile,
            streams: [stream("tokens", #"{"model":"m","stream":true}"#, events, tokens: 6)],
            bodies: [
                Sample(
                    name: "tokens", request: #"{"model":"m"}"#,
                    reply: body(#"{"content":[\#(entries.joined(separator: ","))]}"#, isVLLM ? "[1,2]" : nil),
                    restored: body(isVLLM ? "null" : nil, isVLLM ? "null" : nil), tokenCount: 2)
            ])
    }

    static let completions: ReplyParserConformance = {
        func choice(_ text: String, _ logprobs: String, _ ids: String, finish: String = "null") -> String {
            #"{"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"\#(text)","logprobs":\#(logprobs),"finish_reason":\#(finish),"token_ids":\#(ids)}],"usage":null}"#
        }
        func lists(_ number: Int) -> String {
            #"{"text_offset":[\#(number * 3)],"token_logprobs":[-0.\#(number)5],"tokens":["w\#(number)"],"top_logprobs":[{"w\#(number)":-0.\#(number)5,"x":-7.0}]}"#
        }
        func token(_ number: Int, finish: String = "null") -> Pair {
            (
                choice("w\(number)", lists(number), "[\(number)]", finish: finish),
                choice("w\(number)", "null", "null", finish: finish)
            )
        }
        let events = (1...5).map { token($0) } + [token(6, finish: #""stop""#)]
        return ReplyParserConformance(
            .completions, profile: .vllm,
            streams: [stream("tokens", #"{"model":"m","prompt":"p","stream":true}"#, events, tokens: 6)],
            bodies: [
                Sample(
                    name: "one token", request: #"{"model":"m","prompt":"p"}"#,
                    reply: choice("w1", lists(1), "[1]", finish: #""stop""#),
                    restored: choice("w1", "null", "null", finish: #""stop""#), tokenCount: 1)
            ])
    }()

    static let responses: ReplyParserConformance = {
        func response(_ status: String, _ output: String, top: String, messages: String) -> String {
            #"{"id":"r","object":"response","model":"m","status":"\#(status)","output":[\#(output)],"top_logprobs":\#(top),"usage":{"output_tokens":2},"input_messages":null,"output_messages":\#(messages)}"#
        }
        func item(_ logprobs: String) -> String {
            #"{"id":"i","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"a b","annotations":[],"logprobs":\#(logprobs)}]}"#
        }
        func delta(_ number: Int, _ text: String, _ logprobs: String) -> String {
            #"{"type":"response.output_text.delta","sequence_number":\#(number),"item_id":"i","output_index":0,"content_index":0,"delta":"\#(text)","logprobs":\#(logprobs)}"#
        }
        let entries = [entry("a", "-0.5"), entry(" b", "-1.25")]
        let messages = #"[{"type":"raw_message_tokens","message":"a b","tokens":[1,2]}]"#
        let list = "[\(entries.joined(separator: ","))]"
        func created(_ top: String) -> String {
            #"{"type":"response.created","sequence_number":0,"response":\#(response("in_progress", "", top: top, messages: "null"))}"#
        }
        func completed(_ logprobs: String, top: String, messages: String) -> String {
            #"{"type":"response.completed","sequence_number":3,"response":\#(response("completed", item(logprobs), top: top, messages: messages))}"#
        }
        let events: [Pair] = [
            (created("5"), created("null")),
            (delta(1, "a", "[\(entries[0])]"), delta(1, "a", "[]")),
            (delta(2, " b", "[\(entries[1])]"), delta(2, " b", "[]")),
            (completed(list, top: "5", messages: messages), completed("null", top: "null", messages: "null")),
        ]
        return ReplyParserConformance(
            .responses, profile: .vllm,
            streams: [namedStream("tokens", #"{"model":"m","input":"p","stream":true}"#, events, tokens: 2)],
            bodies: [
                Sample(
                    name: "tokens", request: #"{"model":"m","input":"p"}"#,
                    reply: response("completed", item(list), top: "5", messages: messages),
                    restored: response("completed", item("null"), top: "null", messages: "null"), tokenCount: 2)
            ])
    }()

    /// No engine gives token data in this API, and nothing is ever injected.
    static let messages: ReplyParserConformance = {
        let message =
            #"{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"a b"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":2}}"#
        let events = [
            #"{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":0}}}"#,
            #"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            #"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#,
            #"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" b"}}"#,
            #"{"type":"content_block_stop","index":0}"#,
            #"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":2}}"#,
            #"{"type":"message_stop"}"#,
        ]
        let request = #"{"model":"m","max_tokens":9,"messages":[]"#
        return ReplyParserConformance(
            .messages, profile: .vllm,
            streams: [namedStream("text", request + #","stream":true}"#, events.map { ($0, $0) }, tokens: 0)],
            bodies: [Sample(name: "text", request: request + "}", reply: message, restored: message, tokenCount: 0)])
    }()
}
