/// An API whose exchanges are captured.
package enum API: String, CaseIterable, Sendable {
    case chatCompletions = "chat.completions"
    case completions
    case responses
    case messages

    /// The route below the API's base path.
    package var route: String {
        switch self {
        case .chatCompletions: "/chat/completions"
        case .completions: "/completions"
        case .responses: "/responses"
        case .messages: "/messages"
        }
    }

    /// The dialect spoken at `path` (no query), with or without `/v1`, with or without a trailing slash. llama.cpp has an
    /// API of its own at `/completions`.
    package static func spoken(method: String, path: String) -> API? {
        guard method == "POST" else { return nil }
        var path = Substring(path)
        let isVersioned = path.hasPrefix("/v1/")
        if isVersioned { path = path.dropFirst(3) }
        if path.hasSuffix("/") { path = path.dropLast() }
        return allCases.first { $0.route == path && (isVersioned || $0 != .completions) }
    }

    /// Reads a request's body.
    package func request(body: [UInt8]) throws(RequestError) -> any APIRequest {
        let document = try RequestDocument(body: body)
        return switch self {
        case .chatCompletions: ChatRequest(document: document)
        case .completions: CompletionRequest(document: document)
        case .responses: ResponseRequest(document: document)
        case .messages: MessageRequest(document: document)
        }
    }
}
