import VerbatimJSON

/// Whether a whole reply holds anything that the model has generated.
enum WholeReplyOutput {
    static func isIn(_ body: [UInt8]) -> Bool {
        let text = body.span
        guard let reply = try? JSONObject(document: text, options: .nonFiniteNumbers) else { return false }
        if isFilled(reply.value("output", in: text)) || isFilled(reply.value("content", in: text)) { return true }
        guard let choices = reply.value("choices", in: text), choices.kind == .array else { return false }
        var cursor = JSONCursor(at: choices.range.lowerBound, options: .nonFiniteNumbers)
        guard (try? cursor.enterArray(in: text)) != nil else { return false }
        while (try? cursor.nextElement(in: text)) == true {
            guard let choice = try? JSONObject(with: &cursor, in: text) else { return false }
            if isFilled(choice.value("text", in: text)) { return true }
            guard let message = choice.value("message", in: text),
                let fields = try? JSONObject(scanning: text, at: message.range.lowerBound, options: .nonFiniteNumbers)
            else { continue }
            for name in ["content", "refusal", "reasoning", "reasoning_content", "tool_calls", "function_call"]
            where isFilled(fields.member(named: name, in: text)?.value) {
                return true
            }
        }
        return false
    }

    private static func isFilled(_ value: JSONValue?) -> Bool {
        guard let value else { return false }
        return [.string, .array, .object].contains(value.kind) && value.range.count > 2
    }
}
