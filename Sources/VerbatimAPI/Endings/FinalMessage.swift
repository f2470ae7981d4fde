import VerbatimJSON

/// A reply that an agent takes for the model's last message, although no engine was asked.
///
/// It is well-formed, not empty, and streamed if a stream was asked for: agents repeat a request for ever whose reply
/// is empty, or is a plain body although they wait for events. It ends as a message does that needs no answer: `stop`,
/// `completed` or `end_turn`, no tool calls, and no token counted.
package struct FinalMessage: Sendable {
    /// Whether ``parts`` are events. If not, there is one: a JSON body.
    package let isStream: Bool
    /// The body, or the events of the stream from the first to the last.
    package let parts: [[UInt8]]

    /// What is said if no text is given.
    package static let defaultText =
        "The budget of this session is used up, so no further model calls are made. This is the final message."

    /// - Parameters:
    ///   - expected: What the agent expects.
    ///   - text: What the message says. If JSON is expected, the text is in it.
    ///   - id: Makes the ids in the reply unique. Letters and digits; the prefix of each kind of id is added.
    ///   - time: Unix time, in seconds.
    package init(for expected: ExpectedReply, text: String, id: String, time: Int) {
        let text = expected.format.text(saying: text.isEmpty ? Self.defaultText : text)
        isStream = expected.isStream
        switch expected.api {
        case .chatCompletions, .completions:
            let message = FinalCompletion(expected: expected, text: text, id: id, time: time)
            parts = expected.isStream ? message.events : [message.body]
        case .responses:
            let message = FinalResponse(model: expected.model, text: text, id: id, time: time)
            parts = expected.isStream ? message.events : [message.body]
        case .messages:
            let message = FinalAnthropicMessage(model: expected.model, text: text, id: id)
            parts = expected.isStream ? message.events : [message.body]
        }
    }

    package var contentType: String { isStream ? "text/event-stream; charset=utf-8" : "application/json" }

    /// All bytes of the reply.
    package var body: [UInt8] { Array(parts.joined()) }
}

extension ExpectedReply.Format {
    /// The text of a message in this format.
    fileprivate func text(saying text: String) -> String {
        switch self {
        case .text: text
        case .object: SchemaExample.object(saying: text)
        case .schema(let schema): SchemaExample(of: schema, saying: text).text
        }
    }
}
