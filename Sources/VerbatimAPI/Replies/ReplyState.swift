import VerbatimJSON
import VerbatimSchema

/// What is known of a reply in every API.
struct ReplyState: Sendable {
    let injection: Injection
    let policy: RequestPolicy
    let requestKind: EngineProfile.RequestKind
    /// The profile in force.
    var profile: EngineProfile { didSet { findEngine() } }
    /// The engine, once its replies have identified it.
    private(set) var recognized: EngineProfile? { didSet { findEngine() } }
    /// The engine as far as it is known. Recognition does not overrule a profile that was chosen.
    private(set) var engine: EngineProfile
    /// Splices to be made in the event or body read last.
    var edits = JSONEdits()
    /// Splices that remove from a whole reply what `response` of its record omits.
    var compactEdits = JSONEdits()
    /// The JSON text of an error that the last event carried.
    var error: [UInt8]?
    /// The error of the reply, from any of its events.
    var replyError: [UInt8]?
    /// Whether generated output has been seen.
    var hasOutput = false
    var problems: [ProblemCode] = []
    /// Whether the stream has ended with its terminal event. True for a reply that is not streamed.
    var isTerminated = false
    /// Whether the reply is not streamed.
    var isWhole = false
    /// A reply that is not streamed, as it is recorded.
    var wholeReply: JSONText?
    /// How many documents are still searched for what identifies the engine.
    private var recognitionAttempts = 16

    init(
        injection: Injection, policy: RequestPolicy, requestKind: EngineProfile.RequestKind, profile: EngineProfile
    ) {
        self.injection = injection
        self.policy = policy
        self.requestKind = requestKind
        self.profile = profile
        engine = profile
    }

    private mutating func findEngine() { engine = profile == .generic ? recognized ?? profile : profile }

    /// Whether the log-probabilities of the reply are there because of the injection.
    var injectsLogprobs: Bool { injection.topLogprobs != nil }

    mutating func note(_ problem: ProblemCode) {
        if !problems.contains(problem) { problems.append(problem) }
    }

    /// Notes the value of `error`, unless it is false in Python or JavaScript, since clients ignore such values.
    mutating func noteError(_ value: JSONValue, of text: Span<UInt8>) {
        let message = JSONNormalizer.normalized(value.range, of: text)
        if ["null", "false", "0", "\"\"", "{}", "[]"].contains(where: { message.elementsEqual($0.utf8) }) { return }
        noteError(message)
    }

    /// Notes an error by its normalized JSON text.
    mutating func noteError(_ message: [UInt8]) {
        error = message
        replyError = message
    }

    /// The members by which an assembled reply names the error that ended it. The status is the error's `code`, a
    /// number or its digits.
    var errorMembers: [(name: StaticString, value: [UInt8])] {
        guard let replyError else { return [] }
        let code = replyError.integer("code") ?? replyError.member("code").flatMap(Self.number(spelledOut:))
        let status = code.map(String.init) ?? "null"
        return [("upstream_status", Array(status.utf8)), ("upstream_error", replyError)]
    }

    private static func number(spelledOut text: [UInt8]) -> Int? {
        guard text.first == UInt8(ascii: "\"") else { return nil }
        return Int(String(decoding: text.dropFirst().dropLast(), as: UTF8.self))
    }

    /// Whether the engine is not known and may still be recognized.
    var isLookingForEngine: Bool { profile == .generic && recognized == nil && recognitionAttempts > 0 }

    /// Looks for what identifies the engine.
    mutating func recognize(by document: Span<UInt8>) {
        guard isLookingForEngine else { return }
        recognitionAttempts -= 1
        recognized = EngineRecognition.profile(forReply: document)
    }
}
