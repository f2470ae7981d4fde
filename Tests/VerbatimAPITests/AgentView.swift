import Foundation
import TestSupport
import Testing
import VerbatimAPI

/// Reads a stream as a strict client does: what comes out of order, twice or not at all is an error.
protocol AgentView {
    init(of expected: ExpectedReply)
    mutating func read(_ event: AgentEvent) throws
    /// Whether nothing is missing at the end of the stream.
    var isWhole: Bool { get }
    /// The texts by the index of their choice, block or item.
    var texts: [Int: String] { get }
}

/// The name and the data of an event.
struct AgentEvent {
    struct Malformed: Error, CustomStringConvertible {
        let description: String
    }

    let name: String?
    let data: String

    /// The events of a stream, which has whole ones only.
    static func all(in stream: String) -> [AgentEvent] {
        stream.components(separatedBy: "\n\n").compactMap { text in
            let lines = text.split(separator: "\n")
            guard let data = lines.first(where: { $0.hasPrefix("data: ") }) else { return nil }
            let name = lines.first { $0.hasPrefix("event: ") }
            return AgentEvent(
                name: name.map { String($0.dropFirst("event: ".count)) }, data: String(data.dropFirst("data: ".count)))
        }
    }

    var object: [String: Any] {
        get throws { try #require(decoded(data) as? [String: Any]) }
    }

    func fail(_ reason: String) -> Malformed { Malformed(description: "\(reason): \(data)") }
}

/// A chat completion or a completion.
struct ChoicesView: AgentView {
    private let expected: ExpectedReply
    private var contents: [Int: String] = [:]
    private(set) var reasons: [Int: String] = [:]
    private var hasUsage = false
    private var hasEnded = false
    private var head: [String: String]?

    init(of expected: ExpectedReply) { self.expected = expected }

    var isWhole: Bool {
        hasEnded && reasons.count == expected.choices && (hasUsage || !expected.includesUsage)
            && contents.count == expected.choices
    }
    var texts: [Int: String] { contents }

    mutating func read(_ event: AgentEvent) throws {
        if hasEnded { throw event.fail("after the end") }
        if event.data == "[DONE]" {
            hasEnded = true
            return
        }
        let chunk = try event.object
        let head = ["id", "object", "model"].reduce(into: [:]) { $0[$1] = chunk[$1] as? String }
        if let known = self.head, known != head { throw event.fail("another reply") }
        self.head = head
        let choices = chunk["choices"] as? [[String: Any]] ?? []
        for choice in choices { try read(choice, of: event) }
        if chunk["usage"] is [String: Any] { hasUsage = true }
    }

    private mutating func read(_ choice: [String: Any], of event: AgentEvent) throws {
        let index = try #require(choice["index"] as? Int)
        if reasons[index] != nil { throw event.fail("a finished choice goes on") }
        let delta = choice["delta"] as? [String: Any]
        if contents[index] == nil && expected.api == .chatCompletions && delta?["role"] == nil {
            throw event.fail("a choice without a role")
        }
        contents[index, default: ""] += (delta?["content"] ?? choice["text"]) as? String ?? ""
        for call in delta?["tool_calls"] as? [[String: Any]] ?? [] {
            contents[index, default: ""] += (call["function"] as? [String: Any])?["arguments"] as? String ?? ""
        }
        contents[index, default: ""] += (delta?["reasoning"] ?? delta?["reasoning_content"]) as? String ?? ""
        reasons[index] = choice["finish_reason"] as? String
    }
}

/// A message in Anthropic's API.
struct MessageView: AgentView {
    private var blocks: [String] = []
    private var open: Int?
    private var hasBegun = false
    private var hasEnded = false
    private(set) var reason: String?

    init(of expected: ExpectedReply) {}

    var isWhole: Bool { hasEnded }
    var texts: [Int: String] { Dictionary(uniqueKeysWithValues: blocks.enumerated().map { ($0, $1) }) }

    mutating func read(_ event: AgentEvent) throws {
        let object = try event.object
        let type = try #require(object["type"] as? String)
        if event.name != type { throw event.fail("another name than type") }
        if hasEnded || hasBegun == (type == "message_start") { throw event.fail("out of order") }
        let index = object["index"] as? Int
        switch type {
        case "message_start": hasBegun = true
        case "content_block_start":
            if open != nil || index != blocks.count || reason != nil { throw event.fail("out of order") }
            open = index
            blocks.append("")
        case "content_block_delta":
            guard let index, index == open else { throw event.fail("no such block") }
            let delta = try #require(object["delta"] as? [String: Any])
            blocks[index] += (delta["text"] ?? delta["partial_json"] ?? delta["thinking"]) as? String ?? ""
        case "content_block_stop":
            if index == nil || index != open { throw event.fail("no such block") }
            open = nil
        case "message_delta":
            if open != nil { throw event.fail("a block is open") }
            reason = (object["delta"] as? [String: Any])?["stop_reason"] as? String
            _ = try #require(object["usage"] as? [String: Any])
        case "message_stop":
            if reason == nil { throw event.fail("no reason") }
            hasEnded = true
        default: break
        }
    }
}

/// A response.
struct ResponseView: AgentView {
    private struct Item {
        var id: String?
        var text = ""
        var isPartOpen = false
        var isTextOpen = false
        var isDone = false
    }

    private var items: [Item] = []
    private var number: Int?
    private var created: [String: Any]?
    private(set) var response: [String: Any]?

    init(of expected: ExpectedReply) {}

    var isWhole: Bool { response != nil && items.allSatisfy(\.isDone) }
    var texts: [Int: String] { Dictionary(uniqueKeysWithValues: items.enumerated().map { ($0, $1.text) }) }

    mutating func read(_ event: AgentEvent) throws {
        let object = try event.object
        let type = try #require(object["type"] as? String)
        if event.name != type { throw event.fail("another name than type") }
        if response != nil || (created == nil) != (type == "response.created") { throw event.fail("out of order") }
        let next = object["sequence_number"] as? Int
        if created != nil && next != number.map({ $0 + 1 }) { throw event.fail("not the next number") }
        number = next
        let item = object["item"] as? [String: Any]
        let part = object["part"] as? [String: Any]
        switch type {
        case "response.created": created = object["response"] as? [String: Any]
        case "response.in_progress": break
        case "response.output_item.added":
            let index = object["output_index"] as? Int ?? items.count
            if index != items.count { throw event.fail("not the next item") }
            items.append(Item(id: item?["id"] as? String))
        case "response.output_item.done":
            let place = try place(object, item?["id"] as? String, event)
            // llama.cpp ends an item before its parts.
            if number != nil && (items[place].isPartOpen || items[place].isTextOpen) { throw event.fail("open") }
            if items[place].isDone { throw event.fail("done twice") }
            items[place].isDone = true
            if Self.text(of: item ?? [:]) != items[place].text { throw event.fail("another text") }
        case "response.content_part.added", "response.reasoning_summary_part.added":
            items[try place(object, nil, event)].isPartOpen = true
        case "response.content_part.done", "response.reasoning_summary_part.done":
            let place = try place(object, nil, event)
            if !items[place].isPartOpen { throw event.fail("no open part") }
            if part?["text"] as? String != items[place].text { throw event.fail("another text") }
            items[place].isPartOpen = false
        case "response.incomplete", "response.completed":
            response = object["response"] as? [String: Any]
            try check(event)
        default:
            if type.hasSuffix(".delta") {
                let place = try place(object, nil, event)
                items[place].text += object["delta"] as? String ?? ""
                items[place].isTextOpen = true
            } else if type.hasSuffix(".done") {
                let place = try place(object, nil, event)
                let text = ["text", "arguments", "refusal"].compactMap { object[$0] as? String }.first
                if text != items[place].text { throw event.fail("another text") }
                items[place].isTextOpen = false
            } else {
                throw event.fail("unknown")
            }
        }
    }

    private func place(_ object: [String: Any], _ id: String?, _ event: AgentEvent) throws -> Int {
        if number != nil && object["output_index"] == nil { throw event.fail("no index") }
        let id = id ?? object["item_id"] as? String
        let place = object["output_index"] as? Int ?? items.firstIndex { $0.id == id }
        guard let place, items.indices.contains(place), items[place].id == id else { throw event.fail("no such item") }
        if items[place].isDone { throw event.fail("the item is done") }
        return place
    }

    /// The end repeats what came, and says nothing else than the beginning.
    private func check(_ event: AgentEvent) throws {
        guard let response, let created else { throw event.fail("no response") }
        let output = response["output"] as? [[String: Any]] ?? []
        if output.map(Self.text) != items.map(\.text) { throw event.fail("another text") }
        if output.map({ $0["id"] as? String }) != items.map(\.id) { throw event.fail("other items") }
        let changing: Set = ["status", "incomplete_details", "output", "usage"]
        for (name, value) in created where !changing.contains(name) {
            if (response[name] as? NSObject) != (value as? NSObject) { throw event.fail("\(name) has changed") }
        }
    }

    private static func text(of item: [String: Any]) -> String {
        let parts = [item["content"], item["summary"]].flatMap { $0 as? [[String: Any]] ?? [] }
        let texts = parts.compactMap { $0["text"] as? String ?? $0["refusal"] as? String }
        return texts.joined() + (item["arguments"] as? String ?? "")
    }
}
