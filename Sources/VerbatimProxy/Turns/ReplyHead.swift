import NIOHTTP1
import VerbatimHTTP

/// The head of an engine's reply, and how it goes to the agent.
struct ReplyHead {
    let status: Int
    let reason: String
    let headers: HTTPHeaders
    let framing: ResponseFraming

    init(_ head: HTTPResponseHead, reason: String) {
        status = Int(head.status.code)
        self.reason = reason
        headers = head.headers
        framing = ResponseFraming(of: head)
    }

    var isSuccess: Bool { 200..<300 ~= status }

    var isEventStream: Bool {
        headers.first(name: "content-type")?.lowercased().hasPrefix("text/event-stream") ?? false
    }

    /// Whether it says that it is one JSON document.
    var isJSON: Bool {
        guard let type = headers.first(name: "content-type")?.lowercased() else { return false }
        return type.prefix { $0 != ";" && $0 != " " } == "application/json"
    }

    var isCompressed: Bool { !ContentCoding.isIdentity(headers) }

    /// The engine asks to be left alone for a while.
    var asksToWait: Bool { headers.contains(name: "retry-after") }

    /// The body ends with the connection.
    var isUntilClose: Bool {
        if case .untilClose = framing { true } else { false }
    }

    /// What `Content-Length` states; 0 without it.
    var contentLength: Int { headers.contentLength ?? 0 }

    var isFramedByLength: Bool {
        if case .contentLength = framing { true } else { false }
    }

    /// Writes the head of a reply with a body of this length, which differs from the engine's if it was edited.
    func write(to output: inout ResponseWriter, bodyLength: Int, isEdited: Bool) {
        switch framing {
        case .contentLength:
            write(to: &output, length: isEdited ? .replace(bodyLength) : .keep, framing: .contentLength)
        case .chunked, .untilClose: write(to: &output, length: .remove, framing: .chunked)
        case .none: write(to: &output, length: .keep, framing: .none)
        }
    }

    /// Writes the head of a stream.
    ///
    /// - Parameter isEdited: Events may be dropped or edited, so that the length is not the engine's.
    func writeStream(to output: inout ResponseWriter, isEdited: Bool) {
        if case .contentLength = framing, !isEdited {
            write(to: &output, length: .keep, framing: .contentLength)
        } else {
            write(to: &output, length: isEdited ? .remove : .keep, framing: .chunked)
        }
    }

    private func write(
        to output: inout ResponseWriter, length: HeaderRules.LengthRule, framing: ResponseFraming
    ) {
        output.head(
            status: status, reason: reason, headers: HeaderRules.returned(headers, length: length), framing: framing)
    }
}
