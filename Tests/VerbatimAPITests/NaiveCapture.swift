import VerbatimSchema
import Foundation
import TestSupport
import Testing

/// The contents of a recorded reply, found without Verbatim's own code: decoded by Foundation and assembled in a simple
/// way. Number texts, which Foundation does not keep, are found by patterns.
struct NaiveCapture {
    struct Choice {
        var tokens: [String] = []
        var tokenIDs: [Int] = []
        /// Those of them that came in `token_ids`.
        var listedIDs: [Int] = []
        var promptTokenIDs: [Int]?
        var logprobTexts: [String] = []
        /// `logprobs` in the form of chat completions.
        var content: [Any]?
        /// `logprobs` in the form of completions.
        var lists: [String: [Any]]?
        var message: [String: Any] = [:]
        /// A completion's.
        var text: String?
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
        if sample.echoesPrompt { try removePrompt(of: sample) }
    }

    var usage: [String: Any]? { envelope["usage"] as? [String: Any] }

    // MARK: Reading

    private mutating func read(_ text: String) throws {
        let document = try #require(decoded(text) as? [String: Any])
        for (key, value) in document where key != "choices" { merge(value, into: &envelope[key]) }
        var logprobs = try NumberTexts.logprobs(in: text)[...]
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
        case "text": choice.text = (choice.text ?? "") + (value as? String ?? "")
        case "token_ids":
            choice.tokenIDs += value as? [Int] ?? []
            choice.listedIDs += value as? [Int] ?? []
        case "prompt_token_ids": choice.promptTokenIDs = value as? [Int] ?? choice.promptTokenIDs
        case "prompt_logprobs": break
        case "logprobs":
            let logprobs = value as? [String: Any] ?? [:]
            var count = 0
            if let entries = logprobs["content"] as? [[String: Any]] {
                choice.content = (choice.content ?? []) + entries
                choice.tokens += entries.map { $0["token"] as? String ?? "?" }
                count = entries.count
            } else if let tokens = logprobs["tokens"] as? [String] {
                for (key, list) in logprobs { choice.lists = (choice.lists ?? [:]).appending(list, to: key) }
                choice.tokens += tokens
                count = tokens.count
            }
            choice.logprobTexts += texts.prefix(count)
            texts = texts.dropFirst(count)
        default: merge(value, into: &choice.fields[key])
        }
    }

    /// The echoed prompt ends where, by its offset, the completion's text begins.
    private mutating func removePrompt(of sample: WireSample) throws {
        let request = try #require(decoded(sample.requestText) as? [String: Any])
        let length = try #require(request["prompt"] as? String).unicodeScalars.count
        for (index, choice) in choices {
            let offsets = try #require(choice.lists?["text_offset"] as? [Int])
            let count = offsets.filter { $0 < length }.count
            choices[index]?.tokens.removeFirst(count)
            choices[index]?.logprobTexts.removeFirst(count)
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

    // MARK: The assembled reply

    /// The events of a stream, assembled in the form of a reply that is not streamed.
    func response(withLogprobs: Bool = true) -> [String: Any] {
        var response = envelope
        response["usage"] = envelope["usage"] ?? NSNull()
        response["choices"] = choices.keys.sorted().map { index -> [String: Any] in
            let choice = choices[index] ?? Choice()
            var object = choice.fields
            object["index"] = index
            if let text = choice.text { object["text"] = text } else { object["message"] = choice.message }
            if !choice.listedIDs.isEmpty { object["token_ids"] = choice.listedIDs }
            if let ids = choice.promptTokenIDs { object["prompt_token_ids"] = ids }
            if withLogprobs {
                object["logprobs"] = choice.content.map { ["content": $0] as Any } ?? choice.lists ?? NSNull()
            }
            return object
        }
        let isChat = choices.values.allSatisfy { $0.text == nil }
        response["object"] = isChat ? "chat.completion" : "text_completion"
        return response
    }
}

extension [String: [Any]] {
    fileprivate func appending(_ list: Any, to key: String) -> Self {
        var lists = self
        lists[key, default: []] += list as? [Any] ?? []
        return lists
    }
}

/// The texts of the sampled tokens' log-probabilities, without alternatives.
private enum NumberTexts {
    static func logprobs(in text: String) throws -> [String] {
        let lists = matches(of: try list.get(), in: text)
        if !lists.isEmpty { return lists.flatMap { $0.components(separatedBy: ",") } }
        return matches(of: try entry.get(), in: text)
    }

    private static let list = Result { try NSRegularExpression(pattern: #""token_logprobs":\[([^\]]*)\]"#) }
    private static let entry = Result {
        let string = #""(?:[^"\\]|\\.)*""#
        let alternatives = #""top_logprobs":\[(?:\{(?:\#(string)|[^"{}])*\},?)*\]"#
        let bytes = #""bytes":\[[0-9,]*\]"#
        return try NSRegularExpression(
            pattern:
                #"\{(?:"id":\d+,)?"token":\#(string),(?:\#(bytes),)?"logprob":([^,}]+)(?:,\#(bytes))?,\#(alternatives)\}"#
        )
    }

    private static func matches(of expression: NSRegularExpression, in text: String) -> [String] {
        expression.matches(in: text, range: NSRange(text.startIndex..., in: text)).map { match in
            Range(match.range(at: 1), in: text).map { String(text[$0]) } ?? ""
        }
    }
}
