import VerbatimSchema
import Foundation
import TestSupport
import Testing
import VerbatimAPI

/// Prepares a request to `/messages`.
func prepareMessage(
    _ body: String, profile: EngineProfile = .vllm, _ change: (inout RequestPolicy) -> Void = { _ in }
) throws -> PreparedExchange {
    var policy = RequestPolicy()
    change(&policy)
    return try APIRegistry.request(to: .messages, body: Array(body.utf8))
        .prepared(policy: policy, profile: profile, injectionLimits: InjectionLimits())
}

/// The transform for the reply to a request for a message.
func messageReply(_ goal: CaptureGoal = .text) throws -> any ReplyTransform {
    try prepareMessage(#"{"model":"m","max_tokens":9,"messages":[],"stream":true}"#) { $0.goal = goal }.reply
}

/// Whether `reply` recognizes `event` as the end of a stream that is no longer read.
func isTerminal(_ event: String, for reply: any ReplyTransform) -> Bool {
    let bytes = Array(event.utf8)
    return reply.isTerminal(event: bytes.span)
}

/// A stream of these events, each with its name.
func messageStream(_ events: [String]) -> String {
    // A literal in the closure would be parsed for each event.
    let pattern = /"type":"([a-z_]+)"/
    return events.map { data in
        let type = data.firstMatch(of: pattern).map { String($0.1) } ?? "message"
        return "event: \(type)\ndata: \(data)\n\n"
    }.joined()
}

extension WireSample {
    /// Every exchange over `/messages`, errors among them.
    static let messages = all.filter { $0.request.path == "/v1/messages" }
    static let messageStreams = messages.filter(\.response.isEventStream)
    static let wholeMessages = messages.filter { !$0.response.isEventStream }

    /// The reader of this reply.
    func messageReply(_ goal: CaptureGoal = .text) throws -> any ReplyTransform {
        try prepareMessage(String(decoding: request.body, as: UTF8.self), profile: profile) { $0.goal = goal }.reply
    }
}

/// A streamed message that is assembled in a simple way, with Foundation and by the types of events and deltas.
struct NaiveMessage {
    private var message: [String: Any] = [:]
    private var blocks: [Int: [String: Any]] = [:]
    private var inputs: [Int: String] = [:]

    /// An event at the end that was cut off does not count.
    init(_ stream: String) throws {
        let data = stream.components(separatedBy: "\n").filter { $0.hasPrefix("data: ") }.map { $0.dropFirst(6) }
        for (number, text) in data.enumerated() {
            let event = try? decoded(String(text)) as? [String: Any]
            if event == nil && number == data.count - 1 { return }
            try read(#require(event))
        }
    }

    var usage: [String: Any]? { message["usage"] as? [String: Any] }
    var stopReason: String? { message["stop_reason"] as? String }

    /// In the form of a reply that is not streamed.
    var response: NSDictionary {
        var response = message
        response["content"] = blocks.keys.sorted().map { index -> [String: Any] in
            var block = blocks[index] ?? [:]
            if let text = inputs[index], !text.isEmpty {
                let value = try? JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
                block["input"] = value ?? text
            }
            return block
        }
        return response as NSDictionary
    }

    private mutating func read(_ event: [String: Any]) throws {
        let index = event["index"] as? Int ?? -1
        let delta = event["delta"] as? [String: Any] ?? [:]
        switch event["type"] as? String {
        case "message_start": message = try #require(event["message"] as? [String: Any])
        case "content_block_start": blocks[index] = try #require(event["content_block"] as? [String: Any])
        case "content_block_delta": read(delta, into: index)
        case "message_delta":
            message.merge(delta) { $1 }
            var usage = self.usage ?? [:]
            usage.merge(event["usage"] as? [String: Any] ?? [:]) { $1 is NSNull ? $0 : $1 }
            message["usage"] = usage
        default: break
        }
    }

    private mutating func read(_ delta: [String: Any], into index: Int) {
        guard var block = blocks[index] else { return }
        func append(_ key: String) { block[key] = (block[key] as? String ?? "") + (delta[key] as? String ?? "") }
        switch delta["type"] as? String {
        case "text_delta": append("text")
        case "thinking_delta": append("thinking")
        case "signature_delta": append("signature")
        case "input_json_delta": inputs[index, default: ""] += delta["partial_json"] as? String ?? ""
        case "citations_delta":
            block["citations"] = (block["citations"] as? [Any] ?? []) + [delta["citation"] ?? NSNull()]
        default: break
        }
        blocks[index] = block
    }
}
