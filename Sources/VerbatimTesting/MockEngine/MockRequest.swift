/// A request exactly as it arrived at a ``MockEngine``.
package struct MockRequest: Sendable {
    package var method: String
    package var target: String
    /// As on the request line, for example `HTTP/1.1`.
    package var version: String
    /// In order of arrival, duplicates and letter case kept, white space around values removed.
    package var headers: [(name: String, value: String)]
    /// The request line and headers, byte for byte, with the blank line that ends them.
    package var rawHead: [UInt8]
    /// The body without its transfer coding.
    package var body: [UInt8]
    /// The fields that followed a chunked body.
    package var trailers: [(name: String, value: String)]
    /// Which accepted connection it came in on, counted from 0.
    package var connection: Int

    package init(
        method: String, target: String, version: String = "HTTP/1.1", headers: [(name: String, value: String)] = [],
        rawHead: [UInt8] = [], body: [UInt8] = [], trailers: [(name: String, value: String)] = [], connection: Int = 0
    ) {
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        self.rawHead = rawHead
        self.body = body
        self.trailers = trailers
        self.connection = connection
    }

    /// The first value of the header called `name`, in any letter case.
    package func header(_ name: String) -> String? {
        headerValues(name).first
    }

    /// All values of the header called `name`, in any letter case and in order of arrival.
    package func headerValues(_ name: String) -> [String] {
        let wanted = name.lowercased()
        return headers.filter { $0.name.lowercased() == wanted }.map(\.value)
    }

    /// The body decoded as UTF-8, with replacement characters where it is not.
    package var bodyText: String {
        String(decoding: body, as: UTF8.self)
    }

    /// Whether the client asked that the connection be closed after the reply.
    var asksToClose: Bool {
        let tokens = headerValues("Connection").flatMap { $0.lowercased().split(separator: ",") }
        return tokens.contains { $0.trimmed == "close" }
            || (version == "HTTP/1.0" && !tokens.contains { $0.trimmed == "keep-alive" })
    }
}

extension StringProtocol {
    /// The text without the spaces and tabs around it.
    var trimmed: String {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        guard let first = firstIndex(where: { !isBlank($0) }), let last = lastIndex(where: { !isBlank($0) }) else {
            return ""
        }
        return String(self[first...last])
    }
}
