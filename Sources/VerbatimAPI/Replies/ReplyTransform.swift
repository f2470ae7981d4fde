package import VerbatimJSON

/// What the agent receives for one event of a streamed reply.
package enum EventDisposition: Equatable, Sendable {
    /// The event goes to the agent with ``ReplyTransform/edits`` applied.
    case passThrough
    /// Nothing goes to the agent.
    case drop
    /// The event goes to the agent with ``ReplyTransform/edits`` applied, and ends the stream.
    case terminal
    /// These events go to the agent instead, in this order. Each one includes the blank line that ends it.
    /// `isTerminal`: they end the stream.
    case replace([[UInt8]], isTerminal: Bool)

    /// Whether the stream ends with this event. The turn's record must be persisted before the event is sent.
    package var isTerminal: Bool {
        switch self {
        case .terminal, .replace(_, isTerminal: true): true
        case .passThrough, .drop, .replace: false
        }
    }

    /// Whether the engine's bytes are sent, edited or not.
    package var keepsEvent: Bool {
        switch self {
        case .passThrough, .terminal: true
        case .drop, .replace: false
        }
    }
}

/// What the agent receives for a reply that is not streamed.
package enum BodyDisposition: Equatable, Sendable {
    /// The body goes to the agent with ``ReplyTransform/edits`` applied.
    case passThrough
    /// This body goes to the agent instead.
    case replace([UInt8])
    /// The body holds JSON objects, but is not one. Nothing has been read; each may be read as an event.
    case objects
}

/// Stands between the engine's reply and the agent: captures the reply, and decides what the agent receives.
///
/// A ``ReplyParser`` forwards the reply in the API in which the engine sent it and undoes the effects of the injection.
/// A translation reads the reply in the engine's API and replaces each event by events of the agent's API.
package protocol ReplyTransform: Sendable {
    /// Whether the agent may receive other bytes than the engine sends. If not, the engine's `Content-Length` is kept.
    var mayChangeReply: Bool { get }
    /// Splices to be made in the event or the body that was read last.
    var edits: JSONEdits { get }
    /// The engine, once its reply has identified it.
    var recognized: EngineProfile? { get }
    /// The JSON text of an error that the event read last carried, or the body.
    var error: [UInt8]? { get }
    /// Whether generated output has been seen.
    var hasOutput: Bool { get }

    /// Sets the profile in force. It may become known as late as with the reply's head.
    mutating func use(_ profile: EngineProfile)
    /// Reads one event of a stream, including the blank line that ends it.
    mutating func read(event: Span<UInt8>) -> EventDisposition
    /// Whether an event ends the stream. For streams whose events are forwarded but no longer read.
    func isTerminal(event: Span<UInt8>) -> Bool
    /// What ends a stream that is stopped after the event that was read last, for the agent. What the reply so far has
    /// shown decides, so that nothing has to be kept for it.
    ///
    /// - Parameters:
    ///   - expected: What the agent expects.
    ///   - usage: What is said to have been used, where the agent is told.
    func ending(for expected: ExpectedReply, usage: EndingUsage) -> StreamEnding
    /// Reads a reply that is not streamed.
    mutating func read(body: Span<UInt8>) -> BodyDisposition
    /// What has been captured so far.
    func captured() -> Capture
}
