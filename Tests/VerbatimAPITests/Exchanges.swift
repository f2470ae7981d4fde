import TestSupport
import VerbatimSchema
import VerbatimAPI
import VerbatimTesting

/// A synthetic exchange: the agent's request and the engine's profile.
struct Exchange {
    var profile: EngineProfile
    var api = API.chatCompletions
    /// Fields of the request besides `stream`.
    var fields = ""

    /// Reads a stream of events with these data, followed by `[DONE]`.
    func stream(_ events: [String]) throws -> StreamDriver {
        StreamDriver.run(try request(#""stream":true"#).reply, events: events)
    }

    /// Reads a body. Returns what the agent receives and what is captured.
    func whole(_ body: String) throws -> (output: String, capture: Capture, reply: any ReplyTransform) {
        let read = readWhole(try request("").reply, Array(body.utf8))
        return (String(decoding: read.output, as: UTF8.self), read.reply.captured(), read.reply)
    }

    func request(
        _ more: String, _ change: (inout RequestPolicy) -> Void = { _ in }
    ) throws -> PreparedExchange {
        let members = [more, fields].filter { !$0.isEmpty }.joined(separator: ",")
        return try prepare("{\(members)}", api: api, profile: profile, change)
    }
}

/// What may be injected after an engine has refused everything that a profile injects.
func injectionLimits(
    after status: Int, _ body: String, profile: EngineProfile, isStream: Bool = false,
    api: API = .chatCompletions, top: Int = 5
) throws -> InjectionLimits? {
    let prepared = try prepare(#"{"stream":\#(isStream)}"#, api: api, profile: profile) {
        $0.topLogprobs = top
    }
    return InjectionRejection.injectionLimits(
        afterStatus: status, body: Array(body.utf8).span, injection: prepared.injection,
        injectionLimits: InjectionLimits())
}
