/// An HTTP response as it came off the wire, with its framing still visible.
package struct RawResponse: Sendable {
    package var status: Int
    package var reason: String
    /// In order of arrival, duplicates and letter case kept, white space around values removed.
    package var headers: [(String, String)]
    /// The status line and headers, byte for byte, with the blank line that ends them.
    package var rawHead: [UInt8]
    /// The body without its transfer coding.
    package var body: [UInt8] = []
    /// The HTTP chunks of a chunked body, one by one.
    package var chunks: [[UInt8]] = []
    /// The fields that followed a chunked body.
    package var trailers: [(String, String)] = []
    /// Whether the body has arrived up to the end of its framing.
    package var complete = false
    /// How the connection ended, if it had by the time this response was read.
    package var end: CloseKind?

    /// The first value of the header called `name`, in any letter case.
    package func header(_ name: String) -> String? {
        headerValues(name).first
    }

    /// All values of the header called `name`, in any letter case and in order of arrival.
    package func headerValues(_ name: String) -> [String] {
        headers.filter { $0.0.lowercased() == name.lowercased() }.map(\.1)
    }

    /// The body decoded as UTF-8, with replacement characters where it is not.
    package var bodyText: String {
        String(decoding: body, as: UTF8.self)
    }

    init(head: [UInt8]) throws {
        var lines = String(decoding: head.dropLast(4), as: UTF8.self)
            .split(separator: "\r\n", omittingEmptySubsequences: false)
        let statusLine = lines.removeFirst().split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard statusLine.count >= 2, statusLine[0].hasPrefix("HTTP/1."), let status = Int(statusLine[1]) else {
            throw RawAgentError.malformed("status line \(statusLine.joined(separator: " "))")
        }
        self.status = status
        reason = statusLine.count > 2 ? String(statusLine[2]) : ""
        headers = try lines.map(Self.field)
        rawHead = head
    }

    static func field(_ line: some StringProtocol) throws -> (String, String) {
        guard let colon = line.firstIndex(of: ":") else { throw RawAgentError.malformed("header line \(line)") }
        let value = line[line.index(after: colon)...]
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        guard let first = value.firstIndex(where: { !isBlank($0) }), let last = value.lastIndex(where: { !isBlank($0) })
        else { return (String(line[..<colon]), "") }
        return (String(line[..<colon]), String(value[first...last]))
    }
}

/// How the other side ended a connection.
package enum CloseKind: Sendable, Equatable {
    /// In order, with a FIN.
    case eof
    /// With a TCP reset or another error of the socket.
    case reset
}

/// Why an agent could not read.
package enum RawAgentError: Error, Equatable {
    /// The connection ended first; `received` holds the bytes up to then.
    case ended(CloseKind, received: [UInt8])
    /// The bytes are not a response.
    case malformed(String)
}
