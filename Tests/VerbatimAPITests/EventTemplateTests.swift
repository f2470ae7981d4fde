import VerbatimSchema
import Foundation
import VerbatimJSON
import VerbatimPlatform
import TestSupport
import Testing
import VerbatimAPI
import VerbatimTesting

/// An event that has the template of the one before is not parsed: the effects of that event are replayed. A stream
/// must give the same result when an unknown field in each event prevents that.
@Suite struct EventTemplateTests {
    // MARK: Recorded streams

    @Test(arguments: WireSample.streamedReplies)
    func recordedStreamsGiveTheSame(sample: WireSample) throws {
        let replies = [
            try sample.injectedReply(), try sample.injectedReply(detail: .compact), try sample.injectedReply(.generic),
            try sample.ownReply(), try sample.untouchedReply(),
        ]
        for reply in replies { Self.compare(reply, sample.bodyText) }
    }

    // MARK: Synthetic streams

    /// One different event among events that are all alike.
    @Test(arguments: [
        Token(), Token(content: #""""#), Token(content: "null"), Token(content: #""\n\"\u00e9\\""#),
        Token(content: #""é\u2028 \#u{1F600}""#), Token(content: "\"\u{2028}\""), Token(content: #""\ud800""#),
        Token(content: "7"), Token(content: #"["a"]"#), Token(content: "\"a\tb\""), Token(content: #""a" "#),
        Token(content: #""a","reasoning_content":"b""#), Token(content: #""a","role":"assistant""#),
        Token(content: #""a","role":"critic""#), Token(content: #""a","content":"b""#),
        Token(content: #""a","list":[1]"#),
        Token(content: #"null,"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{"}}]"#),
        Token(content: #"null,"function_call":{"name":"f"}"#),
        Token(logprob: "-0.0"), Token(logprob: "0"), Token(logprob: "-1e-7"), Token(logprob: "1E+2"),
        Token(logprob: "null"),
        Token(logprob: "NaN"), Token(logprob: "-Infinity"), Token(logprob: "-9999.0"), Token(logprob: "-01"),
        Token(logprob: "-"), Token(logprob: #""-0.5""#), Token(logprob: "[-0.5]"), Token(logprob: "-0.12345678"),
        Token(bytes: "[]"), Token(bytes: "null"), Token(bytes: "[01]"), Token(bytes: "[1,2,3,4,5,6,7,8,9,10,11,12]"),
        Token(bytes: "[1.5]"), Token(bytes: "[-1]"), Token(bytes: "[1,]"), Token(bytes: "[1, 2]"),
        Token(bytes: #"["a"]"#),
        Token(bytes: #"[97],"id":17"#), Token(bytes: #"[97],"id":null"#), Token(bytes: #"[97],"token_id":1.5"#),
        Token(ids: "[]"), Token(ids: "[1,2]"), Token(ids: "null"), Token(ids: "[null]"), Token(ids: "[4294967296]"),
        Token(ids: "[-3]"), Token(ids: "[1.0]"), Token(ids: "7"), Token(ids: "[5],\"token_ids\":[6]"),
        Token(ids: "[[1]]"),
        Token(entries: 0), Token(entries: 2), Token(list: "refusal"), Token(list: #"refusal":[],"content"#),
        Token(list: #"refusal":[{"token":"r","logprob":-1}],"content"#),
        Token(list: #"content":[{"token":"r","logprob":-1.2345678}],"content"#), Token(entry: "7"),
        Token(entry: "null"), Token(entry: #"{"logprob":-1}"#), Token(list: "tokens"), Token(alternatives: 1),
        Token(finish: #""stop""#), Token(index: 1), Token(index: 0, more: #","usage":{"completion_tokens":3}"#),
        Token(more: #","created":12"#), Token(more: #","prompt_token_ids":[1,2]"#), Token(more: #","note":"first""#),
        Token(more: #","note":1,"note":true"#),
        Token(more: #","created":2,"created":[3]"#), Token(more: #","created":1,"created":5,"created":5"#),
        Token(more: #","created":[1],"created":7,"created":[1]"#),
        Token(more: #","usage":1,"usage":{"completion_tokens":3}"#),
        Token(more: #","error":{"message":"no","code":500}"#), Token(more: #","error":null"#),
        Token(more: #","timings":{"predicted_n":4}"#), Token(more: #","sglext":{"output_ids":[[1,2]]}"#),
        Token(more: #","__verbose":{"tokens":[1]}"#), Token(more: #","choices":[]"#), Token(more: "}"),
        Token(more: ","),
        Token(choice: #","stop_reason":"x""#), Token(choice: #","text":"x""#),
        Token(choice: #","response_token_ids":[1]"#),
        Token(choice: #","prompt_token_ids":[1]"#), Token(choice: #","logprobs":{"content":[]}"#),
        Token(choice: #","delta":{"content":"again"}"#), Token(choice: #","logprobs":null"#),
        Token(choice: #"},{"index":1,"delta":{"content":"b"}"#), Token(choice: "},7,{"), Token(field: "event: x\ndata"),
        Token(field: "data: {}\ndata"), Token(field: ": c\ndata"), Token(field: "id"),
    ])
    func syntheticStreamsGiveTheSame(odd: Token) throws {
        let odd = odd.event
        let starts = try Self.starts.get()
        for start in starts.injected {
            for events in Self.streams(odd) { Self.compare(start, events, isTruncated: true) }
            for events in Self.streams(odd) { Self.compare(start, events, changesCreated: true) }
        }
        for start in starts.asked {
            for events in Self.streams(odd) { Self.compare(start, events) }
        }
    }

    /// After this many events, an unknown engine is not searched for any more.
    private static let usual = (0..<18).map {
        Token(content: "\" w\($0)\"", logprob: "-0.\($0)523456", bytes: "[\($0),9]", ids: "[\($0)]").event
    }

    /// The streams around a different event, as what follows nothing, and what follows the usual events.
    private static func streams(_ odd: String) -> [(isBehindUsual: Bool, events: [String])] {
        [
            // Behind the usual events the search for the engine is over, so that a few show what follows.
            (true, [odd] + usual[..<8]), (false, [odd] + usual), (false, [odd, odd, odd]),
            (true, [odd, odd, odd, usual[0], odd]),
        ]
    }

    /// A transform before a stream, and behind the usual events.
    private struct Start: Sendable {
        var nothing: Comparison
        var usual: Comparison
        var usualWithCreated: Comparison
    }

    /// Prepared once: the streams around each different event start alike.
    private static let starts = Result { () throws -> (injected: [Start], asked: [Start]) in
        var starts: (injected: [Start], asked: [Start]) = ([], [])
        for profile in [EngineProfile.vllm, .llamaCpp, .generic, .sglang] {
            for detail in profile == .vllm ? TraceDetail.allCases : [.entries] {
                let injected = try reply(#"{"stream":true}"#, profile) { $0.detail = detail }
                let asked = try reply(
                    #"{"stream":true,"logprobs":true,"top_logprobs":1,"return_token_ids":true,"n":2}"#, profile
                ) { $0.detail = detail }
                starts.injected.append(start(injected))
                starts.asked.append(start(asked))
            }
        }
        return starts
    }

    private static func start(_ reply: any ReplyTransform) -> Start {
        let nothing = Comparison(reply)
        var start = Start(nothing: nothing, usual: nothing, usualWithCreated: nothing)
        for event in usual {
            start.usual.feed(event)
            start.usualWithCreated.feed(event, changesCreated: true)
        }
        return start
    }

    private static func compare(
        _ start: Start, _ stream: (isBehindUsual: Bool, events: [String]), changesCreated: Bool = false,
        isTruncated: Bool = false
    ) {
        var comparison = changesCreated ? start.usualWithCreated : start.usual
        if !stream.isBehindUsual { comparison = start.nothing }
        for event in stream.events.dropLast() { comparison.feed(event, changesCreated: changesCreated) }
        if isTruncated {
            var truncated = comparison
            truncated.feed(String(stream.events[stream.events.count - 1].dropLast(26)))
            truncated.check()
        }
        comparison.feed(stream.events[stream.events.count - 1], changesCreated: changesCreated)
        if !changesCreated { comparison.feed("data: [DONE]\n\n") }
        comparison.check()
    }

    private static func reply(
        _ request: String, _ profile: EngineProfile, _ policy: (inout RequestPolicy) -> Void
    ) throws -> any ReplyTransform {
        try prepare(request, profile: profile, policy).reply
    }

    /// Completions have their tokens in lists.
    @Test func completionStreamsGiveTheSame() throws {
        func event(_ number: Int, tokens: String, ids: String) -> String {
            #"data: {"id":"c","choices":[{"index":0,"text":" w\#(number)","logprobs":{"text_offset":[\#(number)],"#
                + #""token_logprobs":[-0.\#(number)5],"tokens":[\#(tokens)],"top_logprobs":[{"a":-\#(number).5}]},"#
                + #""finish_reason":null,"token_ids":\#(ids)}]}"# + "\n\n"
        }
        let usual = (1...20).map { event($0, tokens: "\"w\($0)\"", ids: "[\($0)]") }
        for odd in [
            event(1, tokens: #""a","b""#, ids: "[1,2]"), event(2, tokens: "null", ids: "[2]"),
            event(3, tokens: "", ids: "[]"), event(4, tokens: #""\u00e9""#, ids: "[4,5]"),
            usual[0].replacing("-0.15", with: "null"), usual[0].replacing(" w1", with: ""),
        ] {
            let stream = (usual + [odd, odd, odd] + usual).joined() + "data: [DONE]\n\n"
            for profile in [EngineProfile.vllm, .generic, .ollama] {
                let reply = try prepare(
                    #"{"stream":true,"prompt":"p"}"#, api: .completions, profile: profile
                ).reply
                Self.compare(reply, stream)
            }
        }
    }

    /// Events after as many choices as are captured.
    @Test(arguments: 4093...4097)
    func choicesAtTheLimitGiveTheSame(count: Int) throws {
        let choices = (0..<count).map { #"{"index":\#($0)}"# }.joined(separator: ",")
        let tokens = Array(repeating: Token(index: count).event, count: 4).joined()
        Self.compare(
            try Self.reply(#"{"stream":true}"#, .vllm) { _ in }, "data: {\"choices\":[\(choices)]}\n\n" + tokens)
    }

    /// The edits depend on the profile, so a change of profile discards the template.
    @Test func changeOfProfileDiscardsTheTemplate() throws {
        var reply = try Self.reply(#"{"stream":true}"#, .vllm) { _ in }
        let event = Array(Token().event.utf8)
        for profile in [EngineProfile.vllm, .sglang, .llamaCpp, .vllm] {
            for _ in 0..<3 { _ = reply.read(event: event.span) }
            let known = reply.edits
            reply.use(profile)
            _ = reply.read(event: event.span)
            var fresh = try Self.reply(#"{"stream":true}"#, .vllm) { _ in }
            fresh.use(profile)
            _ = fresh.read(event: event.span)
            #expect(reply.edits.edits == fresh.edits.edits, "\(known)")
        }
    }

    // MARK: Comparing

    /// Compares `stream` with the same stream in which each event has another unknown field.
    private static func compare(_ reply: any ReplyTransform, _ stream: String) {
        var comparison = Comparison(reply)
        let bytes = Array(stream.utf8)
        var start = 0
        var next = 0
        // The parts end with their empty lines.
        for end in bytes.lineFeeds {
            if end == next && end > start {
                comparison.feed(bytes[start...end])
                start = end + 1
            }
            next = end + 1
        }
        comparison.feed(bytes[start...])
        comparison.check()
    }
}

/// Reads a stream as it is, and with an unknown field in each event, a different one each time.
private struct Comparison: Sendable {
    private var plain: StreamDriver
    private var marked: StreamDriver
    private var count = 0

    init(_ reply: any ReplyTransform) {
        plain = StreamDriver(reply)
        marked = StreamDriver(reply)
    }

    mutating func feed(_ event: String, changesCreated: Bool = false) {
        let text = changesCreated ? event.replacing("\"created\":1,", with: "\"created\":\(count),") : event
        feed(Array(text.utf8)[...])
    }

    /// Takes text that starts between two events. It may start with empty lines.
    mutating func feed(_ event: ArraySlice<UInt8>) {
        guard let first = event.firstIndex(where: { $0 != 0x0A }) else {
            plain.feed(event)
            marked.feed(event)
            return
        }
        plain.feed(event)
        marked.feed(event[..<first] + "~: \(count)\n".utf8 + event[first...])
        count += 1
    }

    /// Ends both streams, and compares what became of them.
    func check() {
        var (one, other) = (plain, marked)
        one.finish()
        other.finish()
        #expect(one.events.map(\.disposition) == other.events.map(\.disposition))
        #expect(one.output == Self.unmarked(other.output))
        #expect(one.errors == other.errors)
        #expect(spelled(one.reply.captured()) == spelled(other.reply.captured()))
    }

    private static func unmarked(_ text: [UInt8]) -> [UInt8] {
        let name = Array("~: ".utf8)
        var rest: [UInt8] = []
        var kept = 0
        while let mark = text.firstOffset(of: name, from: kept), let end = text.firstOffset(of: 0x0A, from: mark) {
            rest += text[kept..<mark]
            kept = end + 1
        }
        return rest + text[kept...]
    }
}

/// An event with a token, whose parts may have any text.
struct Token: Sendable, CustomTestStringConvertible {
    var content = #"" a""#
    var logprob = "-0.25"
    var bytes = "[32,97]"
    var ids = "[17]"
    var entries = 1
    var list = "content"
    /// A further entry in the list.
    var entry: String?
    var alternatives = 2
    var finish = "null"
    var index = 0
    /// Behind the choice's other members, and after the choices.
    var choice = ""
    var more = ""
    var field = "data"

    var event: String {
        let entry =
            #"{"token":" a","logprob":\#(logprob),"bytes":\#(bytes),"top_logprobs":["#
            + (0..<alternatives).map { #"{"token":"t\#($0)","logprob":-\#($0).5,"bytes":[\#($0)]}"# }.joined(
                separator: ",") + "]}"
        let list = (Array(repeating: entry, count: entries) + [self.entry].compactMap(\.self)).joined(separator: ",")
        return
            #"\#(field): {"id":"c1","created":1,"model":"m","choices":[{"index":\#(index),"delta":{"content":\#(content)},"#
            + #""logprobs":{"\#(self.list)":[\#(list)]},"finish_reason":\#(finish),"token_ids":\#(ids)\#(choice)}]\#(more)}"#
            + "\n\n"
    }

    var testDescription: String { event }
}
