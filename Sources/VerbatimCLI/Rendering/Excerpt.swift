import VerbatimJSON
import VerbatimTrace

/// A text in a request or a reply, and who it is from.
struct Excerpt: Hashable, Sendable {
    let speaker: String
    let text: String
}

/// The part of a request that is worth showing, whatever its API.
struct RequestExcerpt: Sendable {
    /// The last message, tool result or prompt.
    let lastMessage: Excerpt?

    init(_ json: [UInt8]) {
        let text = json.span
        guard let request = JSONObject.readable(in: text) else {
            lastMessage = nil
            return
        }
        let messages = (request.value("messages", in: text) ?? request.value("input", in: text))?.elements(in: text)
        if let message = messages?.last(where: { Self.isFromOutside($0, in: text) }) ?? messages?.last {
            let object = message.object(in: text)
            let speaker = object?.value("role", in: text)?.string(in: text)
            let content = object?.value("content", in: text) ?? object?.value("output", in: text) ?? message
            let words = Self.withoutReminders(content, in: text) ?? content.readableText(in: text)
            lastMessage = Excerpt(speaker: speaker ?? "input", text: words)
        } else if let prompt = request.value("prompt", in: text) ?? request.value("input", in: text) {
            lastMessage = Excerpt(speaker: "prompt", text: prompt.readableText(in: text))
        } else {
            lastMessage = nil
        }
    }

    /// Whether the model is to reply to the message: it is the user's or a tool's. Agents put messages of their own
    /// behind it (Claude Code: a system message with reminders).
    private static func isFromOutside(_ message: JSONValue, in text: Span<UInt8>) -> Bool {
        guard let object = message.object(in: text) else { return true }
        if let role = object.value("role", in: text)?.string(in: text) {
            return !["system", "developer", "assistant"].contains(role)
        }
        let type = object.value("type", in: text)?.string(in: text)
        return type.map { $0.hasSuffix("_output") } ?? true
    }

    /// The text of a content's parts without those that are an agent's own reminders; nil if nothing else is left, or
    /// if there are none.
    private static func withoutReminders(_ content: JSONValue, in text: Span<UInt8>) -> String? {
        guard let parts = content.elements(in: text)?.map({ $0.readableText(in: text) }) else { return nil }
        let others = parts.filter { !$0.hasPrefix("<system-reminder>") }
        return others.isEmpty || others.count == parts.count ? nil : others.joined(separator: "\n")
    }
}

extension JSONObject {
    /// The object that `text` is; nil if it is not one.
    fileprivate static func readable(in text: Span<UInt8>) -> JSONObject? {
        do throws(JSONError) {
            return try JSONObject(document: text, options: .trace)
        } catch {
            return nil
        }
    }
}

extension JSONValue {
    /// The readable text of a message's content: a string, or the text of its parts.
    fileprivate func readableText(in text: Span<UInt8>) -> String {
        if let string = string(in: text) { return string }
        if let parts = elements(in: text) {
            return parts.map { $0.readableText(in: text) }.joined(separator: "\n")
        }
        if let object = object(in: text) {
            for name in ["text", "content", "thinking"] as [StaticString] {
                if let part = object.value(name, in: text) { return part.readableText(in: text) }
            }
            if let type = object.value("type", in: text)?.string(in: text) { return "[\(type)]" }
        }
        return isNull ? "" : String(copying: text, range)
    }
}

/// The texts of a reply, whatever its API.
struct ReplyExcerpt: Sendable {
    private(set) var parts: [Excerpt] = []

    init(_ json: [UInt8]) {
        let text = json.span
        guard let reply = JSONObject.readable(in: text) else { return }
        if let error = reply.value("upstream_error", in: text) ?? reply.value("error", in: text), !error.isNull {
            addError(error, in: text)
        }
        let choices = reply.value("choices", in: text)?.elements(in: text) ?? []
        for choice in choices {
            guard let object = choice.object(in: text) else { continue }
            let index = object.value("index", in: text)?.int(in: text) ?? 0
            let name = choices.count > 1 ? "choice \(index)" : "assistant"
            add(object.value("text", in: text), of: name, in: text)
            if let message = object.value("message", in: text)?.object(in: text) {
                addMessage(message, of: name, in: text)
            }
        }
        for item in (reply.value("output", in: text) ?? reply.value("content", in: text))?.elements(in: text) ?? [] {
            if let item = item.object(in: text) { addItem(item, in: text) }
        }
    }

    private mutating func addError(_ error: JSONValue, in text: Span<UInt8>) {
        let object = error.object(in: text)
        let message =
            (object?.value("error", in: text)?.object(in: text) ?? object)?.value("message", in: text) ?? error
        add(message, of: "error", in: text)
    }

    /// Adds the message of a chat completion's choice.
    private mutating func addMessage(_ message: JSONObject, of name: String, in text: Span<UInt8>) {
        let reasoning = message.value("reasoning", in: text) ?? message.value("reasoning_content", in: text)
        add(reasoning, of: "\(name) (reasoning)", in: text)
        add(message.value("content", in: text), of: name, in: text)
        add(message.value("refusal", in: text), of: "\(name) (refusal)", in: text)
        for call in message.value("tool_calls", in: text)?.elements(in: text) ?? [] {
            guard let function = call.object(in: text)?.value("function", in: text)?.object(in: text) else { continue }
            addCall(function, arguments: function.value("arguments", in: text), in: text)
        }
    }

    /// Adds an output item of the Responses API or a content block of the Messages API.
    private mutating func addItem(_ item: JSONObject, in text: Span<UInt8>) {
        switch item.value("type", in: text)?.string(in: text) {
        case "function_call": addCall(item, arguments: item.value("arguments", in: text), in: text)
        case "tool_use": addCall(item, arguments: item.value("input", in: text), in: text)
        case "thinking": add(item.value("thinking", in: text), of: "assistant (reasoning)", in: text)
        case "reasoning":
            let reasoning = item.value("content", in: text) ?? item.value("summary", in: text)
            add(reasoning, of: "assistant (reasoning)", in: text)
        default: add(item.value("content", in: text) ?? item.value("text", in: text), of: "assistant", in: text)
        }
    }

    private mutating func addCall(_ function: JSONObject, arguments: JSONValue?, in text: Span<UInt8>) {
        let name = function.value("name", in: text)?.string(in: text) ?? "?"
        parts.append(Excerpt(speaker: "tool call", text: "\(name)(\(arguments?.readableText(in: text) ?? ""))"))
    }

    private mutating func add(_ value: JSONValue?, of speaker: String, in text: Span<UInt8>) {
        guard let readable = value?.readableText(in: text), !readable.isEmpty else { return }
        parts.append(Excerpt(speaker: speaker, text: readable))
    }
}
