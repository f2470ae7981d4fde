import TestSupport
import Foundation
import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimSchema

/// Prepares a request with these fields.
func prepare(
    _ body: String, api: API = .chatCompletions, profile: EngineProfile = .vllm,
    injectionLimits: InjectionLimits = InjectionLimits(),
    _ change: (inout RequestPolicy) -> Void = { _ in }
) throws -> PreparedExchange {
    var policy = RequestPolicy()
    change(&policy)
    return try APIRegistry.request(to: api, body: Array(body.utf8))
        .prepared(policy: policy, profile: profile, injectionLimits: injectionLimits)
}

/// The transform for a plain request into which everything was injected.
func injectedReply(
    _ profile: EngineProfile = .vllm, _ change: (inout RequestPolicy) -> Void = { _ in }
) throws -> any ReplyTransform {
    try prepare(#"{"model":"m","stream":true}"#, profile: profile, change).reply
}

/// The transform for a request into which nothing was injected.
func untouchedReply() throws -> any ReplyTransform { try injectedReply { $0.goal = .text } }

/// An event that finishes the only choice of a stream.
let finish = #"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#

/// A JSON text, decoded by Foundation.
func decoded(_ text: [UInt8]) throws -> NSObject {
    let object = try JSONSerialization.jsonObject(with: Data(text), options: .fragmentsAllowed)
    return try #require(object as? NSObject)
}

func decoded(_ text: String) throws -> NSObject { try decoded(Array(text.utf8)) }

extension PreparedExchange {
    var body: [UInt8] { request.body }
    var injection: Injection { request.injection }
    var bestPossibleLevel: CaptureLevel { request.bestPossibleLevel }
    var clientFields: [(name: String, value: [UInt8]?)] { request.clientFields }
    var isStream: Bool { request.isStream }
    var hasTools: Bool { request.hasTools }
    var model: String { request.model }
    var effort: String { request.effort }
    var clientFieldTexts: [String] { request.clientFieldTexts }
    var bodyText: String { request.bodyText }
}

extension PreparedRequest {
    var bodyText: String { String(decoding: body, as: UTF8.self) }

    /// `name=value` for each field; `-` for an absent one.
    var clientFieldTexts: [String] {
        clientFields.map { "\($0.name)=\($0.value.map { String(decoding: $0, as: UTF8.self) } ?? "-")" }
    }
}

extension Capture {
    var responseText: String { String(decoding: response.bytes, as: UTF8.self) }
}

extension [UInt8]? {
    var text: String? { map { String(decoding: $0, as: UTF8.self) } }
}

extension Capture.Choice {
    var tokensText: String { String(decoding: tokens.rope.bytes, as: UTF8.self) }
    var idsText: String { String(decoding: tokenIDs.rope.bytes, as: UTF8.self) }
    var valuesText: String { String(decoding: logprobValues.rope.bytes, as: UTF8.self) }

    /// Whether the lists that describe the same tokens have the same length or are empty.
    var isAligned: Bool {
        let counts = Set([tokens.count, tokenIDs.count, logprobValues.count])
        return counts.subtracting([0]).count <= 1
    }
}
