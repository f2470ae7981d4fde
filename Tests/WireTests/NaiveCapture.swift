import Foundation
import TestSupport
import Testing

/// What a recorded reply holds, found out without Verbatim's own code: decoded by Foundation, put together the simple
/// way. Only number texts, which Foundation does not keep, are picked by a pattern.
struct NaiveCapture {
    struct Choice {
        var tokens: [String] = []
        var tokenIDs: [Int] = []
        /// Those of them that came in `token_ids`.
        var listedIDs: [Int] = []
        var logprobTexts: [String] = []
        var content: [Any]?
        var message: [String: Any] = [:]
        var fields: [String: Any] = [:]
    }

    var choices: [Int: Choice] = [:]
    var envelope: [String: Any] = [:]

    init(_ sample: WireSample) throws {
        var texts = [sample.bodyText]
        if sample.response.isEventStream {
            texts = texts[0].components(separatedBy: "\n\n").filter { $0.hasPrefix("data: {") }.map {
                String($0.dropFirst(6))
            }
        }
        for text in texts { try read(text) }
    }

    var usage: [String: Any]? { envelope["usage"] as? [String: Any] }

    // MARK: Reading

    private mutating func read(_ text: String) throws {
        let document = try #require(decoded(text) as? [String: Any])
        for (key, value) in document where key != "choices" { merge(value, into: &envelope[key]) }
        var logprobs = try Self.logprobTexts(in: text)[...]
        for choice in document["choices"] as? [[String: Any]] ?? [] {
            let index = try #require(choice["index"] as? Int)
            var known = choices[index] ?? Choice()
            for (key, value) in choice { read(key, value, into: &known, &logprobs) }
            if choice["token_ids"] as? [Int] == nil { known.tokenIDs += Self.idsOfEntries(choice) }
            choices[index] = known
        }
        #expect(logprobs.isEmpty)
    }

    private mutating func read(
        _ key: String, _ value: Any, into choice: inout Choice, _ texts: inout ArraySlice<String>
    ) {
        switch key {
        case "index": break
        case "delta": Self.read(delta: value as? [String: Any] ?? [:], into: &choice.message)
        case "message": choice.message = value as? [String: Any] ?? [:]
        case "token_ids":
            choice.tokenIDs += value as? [Int] ?? []
            choice.listedIDs += value as? [Int] ?? []
        case "logprobs":
            guard let entries = (value as? [String: Any])?["content"] as? [[String: Any]] else { break }
            choice.content = (choice.content ?? []) + entries
            choice.tokens += entries.map { $0["token"] as? String ?? "?" }
            choice.logprobTexts += texts.prefix(entries.count)
            texts = texts.dropFirst(entries.count)
        default: merge(value, into: &choice.fields[key])
        }
    }

    private func merge(_ value: Any, into known: inout Any?) {
        if known == nil || !(value is NSNull) { known = value }
    }

    private static func read(delta: [String: Any], into message: inout [String: Any]) {
        for (key, value) in delta {
            if let calls = value as? [[String: Any]], key == "tool_calls" {
                var known = message[key] as? [[String: Any]] ?? []
                for call in calls { append(call, to: &known) }
                message[key] = known
            } else if let text = value as? String, key != "role" {
                message[key] = (message[key] as? String ?? "") + text
            } else if message[key] == nil || !(value is NSNull) {
                message[key] = value
            }
        }
    }

    private static func append(_ call: [String: Any], to calls: inout [[String: Any]]) {
        let index = call["index"] as? Int ?? 0
        while calls.count <= index { calls.append(["function": ["name": "", "arguments": ""]]) }
        for (key, value) in call where key != "function" && key != "index" { calls[index][key] = value }
        var function = calls[index]["function"] as? [String: String] ?? [:]
        for (key, value) in call["function"] as? [String: String] ?? [:] { function[key, default: ""] += value }
        calls[index]["function"] = function
    }

    private static func idsOfEntries(_ choice: [String: Any]) -> [Int] {
        let entries = (choice["logprobs"] as? [String: Any])?["content"] as? [[String: Any]] ?? []
        return entries.compactMap { entry in
            if let id = entry["id"] as? Int { return id }
            let token = entry["token"] as? String ?? ""
            return token.hasPrefix("token_id:") ? Int(token.dropFirst(9)) : nil
        }
    }

    /// The texts of the sampled tokens' log-probabilities, alternatives left out.
    private static func logprobTexts(in text: String) throws -> [String] {
        let string = #""(?:[^"\\]|\\.)*""#
        let alternatives = #""top_logprobs":\[(?:\{(?:\#(string)|[^"{}])*\},?)*\]"#
        let bytes = #""bytes":\[[0-9,]*\]"#
        let pattern =
            #"\{(?:"id":\d+,)?"token":\#(string),(?:\#(bytes),)?"logprob":([^,}]+)(?:,\#(bytes))?,\#(alternatives)\}"#
        let expression = try NSRegularExpression(pattern: pattern)
        return expression.matches(in: text, range: NSRange(text.startIndex..., in: text)).map { match in
            Range(match.range(at: 1), in: text).map { String(text[$0]) } ?? ""
        }
    }

    // MARK: The assembled reply

    /// What the events of a stream amount to, in the form of a reply that was not streamed.
    func response(withLogprobs: Bool = true) -> NSDictionary {
        var response = envelope
        response["object"] = "chat.completion"
        response["usage"] = envelope["usage"] ?? NSNull()
        response["choices"] = choices.keys.sorted().map { index -> [String: Any] in
            let choice = choices[index] ?? Choice()
            var object = choice.fields
            object["index"] = index
            object["message"] = choice.message
            if !choice.listedIDs.isEmpty { object["token_ids"] = choice.listedIDs }
            if withLogprobs { object["logprobs"] = choice.content.map { ["content": $0] as Any } ?? NSNull() }
            return object
        }
        return response as NSDictionary
    }
}
