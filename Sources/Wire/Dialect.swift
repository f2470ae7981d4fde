package import JSONBytes

/// An API whose exchanges are captured.
package enum Dialect: String, CaseIterable, Sendable {
    case chatCompletions = "chat.completions"

    /// The route below the API's base path.
    package var route: String {
        switch self {
        case .chatCompletions: "/chat/completions"
        }
    }

    /// The dialect spoken at `path` (no query), with or without `/v1`, with or without a trailing slash.
    package static func spoken(method: String, path: String) -> Dialect? {
        guard method == "POST" else { return nil }
        var path = Substring(path)
        if path.hasPrefix("/v1/") { path = path.dropFirst(3) }
        if path.hasSuffix("/") { path = path.dropLast() }
        return allCases.first { $0.route == path }
    }

    /// Reads a request's body.
    package func request(body: [UInt8]) throws(RequestError) -> any DialectRequest {
        switch self {
        case .chatCompletions: try ChatRequest(body: body)
        }
    }
}

/// Why a request cannot be forwarded.
package struct RequestError: Error, Sendable {
    package let message: String
}

/// A request of a captured route, scanned once.
package protocol DialectRequest: Sendable {
    /// Applies the policy and turns on what the engine takes. May be called again for a further attempt.
    func prepared(policy: RequestPolicy, profile: EngineProfile, allowance: Allowance) -> PreparedRequest
}

/// A request as it is forwarded, and what the reply needs to know about it.
package struct PreparedRequest: Sendable {
    /// The body to forward.
    package var body: [UInt8]
    package var injection: Injection
    /// For every field that differs from what the agent sent: its name and the agent's value, `nil` if absent.
    package var clientFields: [(name: String, value: [UInt8]?)]
    package var isStream: Bool
    package var hasTools: Bool
    /// The final model name; empty if there is none.
    package var model: String
    /// Reads the reply.
    package var reply: any DialectReply
}

/// What becomes of a streamed event.
package enum EventFate: Sendable {
    /// It goes out as it came.
    case forward
    /// It goes out with ``DialectReply/edits`` made.
    case edit
    /// It exists only because of the injection.
    case drop
    /// It ends the stream; the record must be kept before it goes out.
    case terminal
}

/// Reads a reply while it passes: captures it, and undoes in it what the injection caused.
package protocol DialectReply: Sendable {
    /// Splices to be made in the event or body read last.
    var edits: JSONEdits { get set }

    /// The engine, once its replies give it away.
    var recognised: EngineProfile? { get }
    /// The JSON text of an error that the last event carried.
    var error: [UInt8]? { get }
    /// Whether something generated has been seen.
    var hasOutput: Bool { get }

    /// The profile in force may become known as late as with the reply's head.
    mutating func use(_ profile: EngineProfile)
    /// Whether an event ends the stream.
    func isTerminal(event: Span<UInt8>) -> Bool
    /// Reads one event of a stream, blank line included.
    mutating func read(event: Span<UInt8>) -> EventFate
    /// Reads a whole reply that was not streamed.
    mutating func read(body: Span<UInt8>)
    /// What has been captured.
    func captured() -> Capture
}
