import VerbatimJSON
import VerbatimPlatform

/// The messages of a request and of its reply, as digests: enough to tell what changed between two requests.
struct Conversation: Sendable {
    struct Message: Hashable, Sendable {
        enum Role: Hashable, Sendable { case system, user, assistant, tool, other }

        let role: Role
        /// Of the message as it was written.
        let digest: UInt64
    }

    /// A message that the model wrote.
    struct Said: Hashable, Sendable {
        /// The text without reasoning and without white space around it.
        let text: UInt64
        /// Nil without reasoning.
        let reasoning: UInt64?
        /// Names and arguments of the tool calls, independent of how the arguments are written; nil without calls.
        let calls: UInt64?
    }

    private(set) var messages: [Message] = []
    /// The last message of the model in the request, and its place among ``messages``.
    private(set) var lastSaid: (place: Int, said: Said)?
    /// By the choice's index.
    private(set) var replies: [Int: Said] = [:]
    /// The text of the first reply.
    private(set) var replyLines = SharedLines(of: "")
    /// The first messages that the model did not write, where an agent puts the summary of an earlier conversation.
    private(set) var openingLines = SharedLines(of: "")

    /// The number of messages that an opening has at most.
    private static let openingLength = 4
    /// The tools of the request.
    private(set) var tools: UInt64 = 0
    /// Whether the system prompt has a line that differs from call to call, as Claude Code's billing header does.
    private(set) var hasVolatileLine = false

    init(request: [UInt8], response: [UInt8]) {
        let text = request.span
        if let object = try? JSONObject(document: text, options: .nonFiniteNumbers) {
            var last: (place: Int, message: JSONObject)?
            var opening = ""
            for value in object.value("messages", in: text)?.elements(in: text) ?? [] {
                guard let message = value.object(in: text) else { continue }
                let role = Self.role(message.value("role", in: text), in: text)
                if role == .assistant { last = (messages.count, message) }
                if messages.isEmpty && role == .system {
                    let content = Self.content(message.value("content", in: text), in: text)
                    hasVolatileLine = content.contains(text: "x-anthropic-billing-header")
                }
                if role != .assistant && messages.count < Self.openingLength {
                    opening += Self.content(message.value("content", in: text), in: text) + "\n"
                }
                messages.append(Message(role: role, digest: TextDigest.digest(of: text.extracting(value.range))))
            }
            openingLines = SharedLines(of: opening)
            lastSaid = last.map { ($0.place, Self.said($0.message, in: text)) }
            if let value = object.value("tools", in: text) {
                tools = TextDigest.digest(of: text.extracting(value.range))
            }
        }
        readReplies(response.span)
    }

    private mutating func readReplies(_ text: Span<UInt8>) {
        guard let object = try? JSONObject(document: text, options: .nonFiniteNumbers) else { return }
        for (place, value) in (object.value("choices", in: text)?.elements(in: text) ?? []).enumerated() {
            guard let choice = value.object(in: text),
                let message = choice.value("message", in: text)?.object(in: text)
            else { continue }
            if replies.isEmpty {
                replyLines = SharedLines(of: Self.content(message.value("content", in: text), in: text))
            }
            replies[choice.value("index", in: text)?.int(in: text) ?? place] = Self.said(message, in: text)
        }
    }

    // MARK: One message

    private static func role(_ value: JSONValue?, in text: Span<UInt8>) -> Message.Role {
        switch value?.string(in: text) {
        case "system", "developer": .system
        case "user": .user
        case "assistant": .assistant
        case "tool", "function": .tool
        default: .other
        }
    }

    private static func said(_ message: JSONObject, in text: Span<UInt8>) -> Said {
        var content = content(message.value("content", in: text), in: text)
        var reasoning = ""
        for name in ["reasoning_content", "reasoning"] as [StaticString] where reasoning.isEmpty {
            reasoning = message.value(name, in: text)?.string(in: text) ?? ""
        }
        // An engine that does not parse reasoning leaves it in the text.
        if let end = content.firstRange(ofText: "</think>") {
            reasoning += content[..<end.lowerBound]
            content = String(content[end.upperBound...])
        }
        let calls = message.value("tool_calls", in: text)?.elements(in: text) ?? []
        return Said(
            text: TextDigest.digest(of: trimmed(content)),
            reasoning: reasoning.isEmpty ? nil : TextDigest.digest(of: trimmed(reasoning)),
            calls: calls.isEmpty
                ? nil : TextDigest.digest(of: calls.map { Self.call($0, in: text) }.joined(separator: "\u{0}")))
    }

    private static func call(_ value: JSONValue, in text: Span<UInt8>) -> String {
        guard let call = value.object(in: text) else { return "" }
        guard let function = (call.value("function", in: text) ?? call.value("custom", in: text))?.object(in: text)
        else {
            return ""
        }
        let name = function.value("name", in: text)?.string(in: text) ?? ""
        guard let arguments = function.value("arguments", in: text) ?? function.value("input", in: text) else {
            return name
        }
        guard let written = arguments.string(in: text) else { return name + canonical(arguments, in: text) }
        let bytes = Array(written.utf8)
        var cursor = JSONCursor(options: .nonFiniteNumbers)
        guard let parsed = try? cursor.skipValue(in: bytes.span) else { return name + written }
        return name + canonical(parsed, in: bytes.span)
    }

    /// The text of a message's content, which is a string or a list of parts.
    private static func content(_ value: JSONValue?, in text: Span<UInt8>) -> String {
        guard let value else { return "" }
        if let string = value.string(in: text) { return string }
        var joined = ""
        for part in value.elements(in: text) ?? [] {
            joined += part.object(in: text)?.value("text", in: text)?.string(in: text) ?? canonical(part, in: text)
        }
        return joined
    }

    // MARK: Digests

    /// The value with its members in the order of their names, so that equal values have equal texts.
    private static func canonical(_ value: JSONValue, in text: Span<UInt8>) -> String {
        switch value.kind {
        case .object:
            var members: [(String, String)] = []
            for member in value.object(in: text)?.members ?? [] {
                members.append((member.key.decoded(in: text), canonical(member.value, in: text)))
            }
            return "{" + members.sorted { $0.0 < $1.0 }.map { "\($0.0):\($0.1)" }.joined(separator: ",") + "}"
        case .array:
            var elements: [String] = []
            for element in value.elements(in: text) ?? [] { elements.append(canonical(element, in: text)) }
            return "[" + elements.joined(separator: ",") + "]"
        case .string: return "\"" + (value.string(in: text) ?? "") + "\""
        default:
            if let number = value.double(in: text) { return "\(number)" }
            return String(decoding: value.bytes(in: text), as: UTF8.self)
        }
    }

    private static func trimmed(_ text: String) -> Substring {
        let start = text.drop { $0.isWhitespace }
        return start.lastIndex { !$0.isWhitespace }.map { start[...$0] } ?? ""
    }
}
