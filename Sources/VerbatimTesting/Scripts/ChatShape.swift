/// A complete reply of a scripted engine, before it is sent.
package enum ScriptedAnswer: Sendable {
    case whole(status: Int, reason: String, headers: [(String, String)], body: String)
    /// Server-sent events, each the text after `data: `.
    case stream(headers: [(String, String)], events: [String])
}

/// A reply that is to be written in an engine's format.
struct ChatReply: Sendable {
    let request: ChatRequest
    let model: String
    let promptTokenIDs: [Int]
    let choices: [ScriptedReply]

    var completionTokenCount: Int { choices.reduce(0) { $0 + $1.finalTokenCount } }
    var reasoningTokenCount: Int { choices.reduce(0) { $0 + $1.reasoningTokenCount } }
}

/// How one engine writes replies, and what it refuses.
protocol ChatShape: Sendable {
    /// The headers of a reply, in the engine's order. `contentLength` is nil for a stream.
    func headers(contentLength: Int?, isError: Bool) -> [(String, String)]
    /// The error that the engine returns for a request it does not support; nil if it supports the request.
    func refusal(of request: ChatRequest, options: ScriptedChat) -> ScriptedAnswer?
    func unparsable() -> ScriptedAnswer
    func notFound() -> ScriptedAnswer
    func models(_ model: String) -> String
    func unary(_ reply: ChatReply) -> String
    func events(_ reply: ChatReply) -> [String]
}

extension ChatShape {
    func whole(_ body: String) -> ScriptedAnswer {
        let headers = headers(contentLength: body.utf8.count, isError: false)
        return .whole(status: 200, reason: "OK", headers: headers, body: body)
    }

    func failure(_ status: Int, _ body: String) -> ScriptedAnswer {
        let reasons = [400: "Bad Request", 403: "Forbidden", 404: "Not Found"]
        let headers = headers(contentLength: body.utf8.count, isError: true)
        return .whole(status: status, reason: reasons[status] ?? "Error", headers: headers, body: body)
    }

    func answer(to reply: ChatReply) -> ScriptedAnswer {
        guard reply.request.stream else { return whole(unary(reply)) }
        let events = events(reply) + ["[DONE]"]
        return .stream(headers: headers(contentLength: nil, isError: false), events: events)
    }
}

// MARK: - What the shapes share

/// Identifiers that never change, so that two answers to the same request are the same bytes.
enum Fixed {
    static let id = "chatcmpl-b14c6a43b474aa41"
    static let created = 1_795_334_100
    static let date = "Sun, 22 Nov 2026 07:55:00 GMT"
}

extension ScriptedToken {
    /// The bytes of the text as a JSON array.
    var bytesJSON: String { Array(text.utf8).json }

    /// The `count` likeliest tokens at this place: this one, then made-up others, whose order and numbers are fixed.
    func alternatives(_ count: Int, impossible: String) -> [ScriptedToken] {
        let likely = [
            ScriptedToken(198, "\n", "-7.8762946128845215"), ScriptedToken(266, " a", "-9.37629508972168"),
            ScriptedToken(1680, "The", "-9.47004508972168"), ScriptedToken(40, "I", "-9.56379508972168"),
        ]
        var tokens = [self]
        for token in likely where token.text != text && tokens.count < count { tokens.append(token) }
        var place = 0
        while tokens.count < count && place < 90 {
            let token = ScriptedToken(place, String(UnicodeScalar(33 + UInt8(place))), impossible)
            if token.text != text { tokens.append(token) }
            place += 1
        }
        return Array(tokens.prefix(count))
    }

    /// An entry of `logprobs.content` as OpenAI defines it.
    func openAIEntry(top: Int) -> String {
        func core(_ token: ScriptedToken) -> String {
            let text = MockJSON.quoted(token.text)
            return #""token":\#(text),"logprob":\#(token.logprob),"bytes":\#(token.bytesJSON)"#
        }
        let top = alternatives(top, impossible: "-9999.0").map { "{\(core($0))}" }
        return #"{\#(core(self)),"top_logprobs":[\#(top.joined(separator: ","))]}"#
    }
}

extension Sequence where Element: BinaryInteger {
    /// The numbers as a JSON array.
    var json: String { "[" + map { String($0) }.joined(separator: ",") + "]" }
}

/// Takes one element of each list in turn until all are used up.
func interleaved<Element>(_ lists: [[Element]]) -> [Element] {
    (0..<(lists.map(\.count).max() ?? 0)).flatMap { place in
        lists.compactMap { $0.indices.contains(place) ? $0[place] : nil }
    }
}
