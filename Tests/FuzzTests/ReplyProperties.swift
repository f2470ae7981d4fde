import VerbatimJSON
import VerbatimPlatform
import NIOCore
import NIOHTTP1
import TestSupport
import VerbatimTrace
import VerbatimAPI

@testable import VerbatimProxy
@testable import VerbatimHTTP

/// Passes a reply through a captured turn: it is split, read, restored and recorded.
enum ReplyProperties {
    static func check(_ input: [UInt8], of api: API) throws {
        var choices = Choices(input)
        let scene = Scene(api: api, choices: &choices)
        let seed = choices.byte()
        let reply = Array(choices.rest)
        guard ScannerProperties.deepest(in: reply) < 400 else { return }

        let whole = try scene.play([reply[...]])
        if !scene.isInjected && whole.isAnswered {
            try Violation.unless(whole.body == reply, "nothing was injected, but the reply has been changed")
        }
        if scene.isInjected && whole.isAnswered && !mayTellTokens(reply) {
            try Violation.unless(whole.body == reply, "a reply without token data has been changed")
        }
        for cuts in [cuts(of: reply.count, seed: seed), cuts(of: reply.count, seed: seed + 1)] {
            let other = try scene.play(pieces(of: reply, cuts: cuts))
            try Violation.unless(
                other.sent == whole.sent,
                "cut at \(cuts) the agent gets something else:\n\(text(other.sent))\ninstead of\n\(text(whole.sent))")
            try Violation.unless(
                other.record == whole.record,
                "cut at \(cuts) the record is\n\(text(other.record))\ninstead of\n\(text(whole.record))")
        }
        let marked = Marks.added(to: reply)
        if marked != reply {
            let other = try scene.play([marked[...]])
            try Violation.unless(
                Marks.removed(from: other.sent) == Marks.removed(from: whole.sent)
                    && Marks.removed(from: other.record) == Marks.removed(from: whole.record),
                "an unknown field in each event makes a difference:\n\(text(other.sent))\n\(text(other.record))\ninstead of\n"
                    + "\(text(whole.sent))\n\(text(whole.record))")
        }
        if !whole.isRetry { try RecordProperties.check(whole.record) }
    }

    /// Returns whether anything in the reply could result from an injection.
    private static func mayTellTokens(_ reply: [UInt8]) -> Bool {
        ["log", "tok", "usage", "verbose", "sglext", "nvext", "\\", "error", "choices", "content_block", "NaN"]
            .contains { reply.firstOffset(of: Array($0.utf8)) != nil }
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}

/// Unknown fields, a different one in each event. With them no event matches the template of the one before, so that
/// each is scanned.
private enum Marks {
    private static let data = Array("\ndata: {".utf8)
    private static let name = Array("~: ".utf8)

    static func added(to reply: [UInt8]) -> [UInt8] {
        var marked: [UInt8] = []
        var kept = 0
        var index = 1
        while let event = reply.firstOffset(of: data, from: index) {
            index = event + 1
            guard reply[event - 1] == 0x0A else { continue }
            marked += reply[kept..<event] + "\n~: \(event)".utf8
            kept = event
        }
        return marked + reply[kept...]
    }

    /// A record may contain a reply as a string.
    static func removed(from text: [UInt8]) -> [UInt8] {
        var rest: [UInt8] = []
        var kept = 0
        while let mark = text.firstOffset(of: name, from: kept) {
            let start = ["\n", "\\n"].first { text[kept..<mark].suffix($0.utf8.count).elementsEqual($0.utf8) }
            rest += text[kept..<mark].dropLast(start?.utf8.count ?? 0)
            kept = mark
            if start != nil {
                kept += name.count
                while kept < text.count, (0x30...0x39).contains(text[kept]) { kept += 1 }
            } else {
                rest += name
                kept += name.count
            }
        }
        return rest + text[kept...]
    }
}

/// Everything that is known before the reply arrives.
private struct Scene {
    let api: API
    let isInjected: Bool
    private let isCapabilityKnown: Bool
    private let isEventStream: Bool
    private let status: Int
    private let policy: RequestPolicy
    private let profile: EngineProfile?
    private let request: String

    init(api: API, choices: inout Choices) {
        self.api = api
        let flags = choices.byte()
        isInjected = flags & 1 == 0
        isCapabilityKnown = flags & 2 == 0
        isEventStream = flags & 4 == 0
        var policy = RequestPolicy()
        if !isInjected { policy.goal = .text }
        policy.detail = flags & 8 != 0 ? .compact : flags & 32 != 0 ? .full : .entries
        self.policy = policy
        profile = choices.pick(EngineProfile.all.map { .some($0) } + [nil])
        status = choices.pick([200, 200, 200, 200, 201, 400, 422, 500])
        request = choices.pick(Self.requests(of: api, stream: flags & 16 == 0))
    }

    private static func requests(of api: API, stream: Bool) -> [String] {
        let common = #""model":"m","stream":\#(stream)"#
        let more: [String] =
            switch api {
            case .chatCompletions:
                [
                    "", #","logprobs":true,"top_logprobs":2"#, #","n":2"#, #","tools":[{}]"#,
                    #","stream_options":{"include_usage":true}"#, #","return_token_ids":true"#,
                ]
            case .completions:
                ["", #","logprobs":1"#, #","n":2,"echo":true"#, #","prompt":["a","b"]"#, #","echo":true,"logprobs":0"#]
            case .responses: ["", #","include":["message.output_text.logprobs"]"#, #","tools":[{}],"top_logprobs":3"#]
            case .messages: ["", #","tools":[{}]"#]
            }
        return more.map { "{\(common)\($0)}" }
    }

    /// The result of a reply.
    struct Outcome {
        var sent: [UInt8] = []
        var record: [UInt8] = []
        var isRetry = false
        var isAnswered = false

        /// The bytes that the agent received after the head.
        var body: [UInt8] {
            sent.firstOffset(of: Array("\r\n\r\n".utf8)).map { Array(sent[($0 + 4)...]) } ?? []
        }
    }

    func play(_ pieces: [ArraySlice<UInt8>]) throws -> Outcome {
        let now = NIODeadline.uptimeNanoseconds(0)
        let capabilities = CapabilityCache(fixed: profile, host: "engine", lifetime: .hours(1)) { _, _ in }
        let request = try APIRegistry.request(to: api, body: Array(request.utf8))
        var plan = CapabilityPlan(request, policy: policy, session: "s", capabilities: capabilities, at: now)
        if isCapabilityKnown && !plan.prepared.request.injection.isEmpty {
            capabilities.note(
                .accepted(plan.prepared.request.injection, limits: InjectionLimits()), for: plan.key, in: "s", at: now)
            plan = CapabilityPlan(request, policy: policy, session: "s", capabilities: capabilities, at: now)
        }
        let facts = TurnFacts(
            turn: 1, identity: SessionIdentity(session: "s"), api: api, path: "/v1" + api.route,
            timestamp: 0,
            policy: policy, maximumReplySize: 1 << 30, maximumEventSize: 1 << 30)
        // An agent of HTTP/1.0 receives the body without framing.
        var output = ResponseWriter.Request(errorFormat: .openAI)
        output.takesChunks = false
        var turn = CapturedTurn(
            facts: facts, request: request, plan: plan, output: ResponseWriter(request: output), at: now)
        var outcome = Outcome()

        func perform(_ decision: CapturedTurn.Decision) {
            let segments = turn.takeOutput()
            for part in segments.front + [segments.last] { outcome.sent += part.readableBytesView }
            for finding in decision.findings { capabilities.note(finding, for: plan.key, in: "s", at: now) }
            switch decision.action {
            case .nothing: break
            case .retry: outcome.isRetry = true
            case .record:
                outcome.record =
                    turn.takeRecord(engine: capabilities.engine(of: plan.key.model)).map {
                        TurnRecordEncoder.encode($0)
                    } ?? []
                perform(turn.recordWasKept(nil))
            case .finish: outcome.isAnswered = true
            case .cutOff, .abort: break
            }
        }
        let headers: HTTPHeaders = [
            "Content-Type": isEventStream ? "text/event-stream" : "application/json", "Transfer-Encoding": "chunked",
        ]
        let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: status), headers: headers)
        perform(turn.engineSent(head: head, reason: "OK", at: now))
        for piece in pieces where !outcome.isRetry {
            perform(turn.engineSent(body: ByteBuffer(bytes: piece), at: now))
        }
        if !outcome.isRetry { perform(turn.engineEnded(at: now)) }
        return outcome
    }
}

/// Properties of every record.
enum RecordProperties {
    static func check(_ line: [UInt8]) throws {
        try Violation.unless(!line.isEmpty, "there is no record")
        try Violation.unless(
            line.firstOffset(of: UInt8(ascii: "\n")) == line.count - 1, "the record is not one line")
        try Violation.unless(!hasLineSeparator(line), "the record contains a line separator")
        guard let members = try JSONOracle.tree(of: line, validUTF8: true).members else {
            throw Violation(description: "the record is no object")
        }
        try checkAlignment(members)
        if case .array(let choices)? = members[Array("choices".utf8)] {
            for choice in choices { try checkAlignment(choice.members ?? [:]) }
        }
        try checkCompleteness(members)
    }

    private static func count(_ name: String, in members: [[UInt8]: JSONTree]) -> Int {
        if case .array(let elements)? = members[Array(name.utf8)] { elements.count } else { 0 }
    }

    /// Arrays about the same tokens have the same length, or are empty.
    private static func checkAlignment(_ members: [[UInt8]: JSONTree]) throws {
        let counts = ["completion_tokens", "completion_token_ids", "per_token_logps"].map { count($0, in: members) }
        try Violation.unless(Set(counts.filter { $0 > 0 }).count <= 1, "lists do not align: \(counts)")
    }

    /// A complete capture has as many tokens as the engine counted.
    private static func checkCompleteness(_ members: [[UInt8]: JSONTree]) throws {
        guard let capture = members[Array("capture".utf8)]?.members, capture[Array("complete".utf8)] == .bool(true),
            capture[Array("level".utf8)] == .string(Array("tokens".utf8)), members[Array("choices".utf8)] == nil
        else { return }
        let tokens = count("completion_token_ids", in: members)
        try Violation.unless(tokens == count("per_token_logps", in: members), "complete, but something is missing")
        guard let usage = members[Array("usage".utf8)]?.members else { return }
        for name in ["completion_tokens", "output_tokens"] {
            if case .number(let number)? = usage[Array(name.utf8)] {
                try Violation.unless(
                    number == String(tokens), "complete with \(tokens) tokens, but \(number) were counted")
            }
        }
    }
}
