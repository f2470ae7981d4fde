package import VerbatimJSON

/// Every captured API: the routes that it is recognized by and the type that reads its requests.
package enum APIRegistry {
    private struct Entry: Sendable {
        let api: API
        /// Whether the route is captured without `/v1` in front of it as well.
        var isVersionOptional = true
        let makeRequest: @Sendable (RequestDocument) -> any APIRequest

        func matches(route: Substring.UTF8View) -> Bool { route.elementsEqual(api.route.utf8) }
    }

    private static let entries: [Entry] = [
        Entry(api: .chatCompletions) { ChatRequest(document: $0) },
        // llama.cpp has an API of its own at `/completions`.
        Entry(api: .completions, isVersionOptional: false) { CompletionRequest(document: $0) },
        Entry(api: .responses) { ResponsesRequest(document: $0) },
        Entry(api: .messages) { MessagesRequest(document: $0) },
    ]

    /// Returns the API that is called with `method` at `path`, or nil if the route is not captured.
    ///
    /// - Parameter path: Without the query; with or without `/v1`, with or without a trailing slash.
    package static func api(method: String, path: String) -> API? {
        guard method == "POST" else { return nil }
        var route = path.utf8[...]
        let isVersioned = route.starts(with: "/v1/".utf8)
        if isVersioned { route = route.dropFirst(3) }
        if route.last == UInt8(ascii: "/") { route = route.dropLast() }
        return entries.first { $0.matches(route: route) && (isVersioned || $0.isVersionOptional) }?.api
    }

    /// Returns the API at `route`, the path below an API's base path, or nil if there is none.
    package static func api(atRoute route: some StringProtocol) -> API? {
        entries.first { $0.matches(route: Substring(route).utf8) }?.api
    }

    /// Reads the body of a request to `api`.
    ///
    /// - Parameter names: The fields that will be asked for.
    package static func request(
        to api: API, body: [UInt8], names: MemberNames = KnownFields.names
    ) throws(RequestError) -> any APIRequest {
        let document = try RequestDocument(body: body, names: names)
        guard let entry = entries.first(where: { $0.api == api }) else {
            throw RequestError(message: "the API \(api.rawValue) is not registered")
        }
        return entry.makeRequest(document)
    }
}
