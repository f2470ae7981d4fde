import VerbatimAPI
import VerbatimJSON

/// An error that the engine gave in place of a reply.
struct EngineError {
    let status: Int
    /// The body of the error, or the JSON text of the `error` of an event.
    let body: [UInt8]

    init(status: Int, body: [UInt8]) {
        self.status = status
        self.body = body
    }

    /// An error in a stream, whose `code` takes the place of the status.
    ///
    /// - Parameter event: The JSON text of the event's `error`.
    init(event: [UInt8]) {
        let text = event.span
        let object = try? JSONObject(document: text)
        status = object?.value("code", in: text)?.int(in: text) ?? 400
        body = event
    }

    /// The engine that words its errors like this.
    var profile: EngineProfile? {
        EngineRecognition.profile(forRefusal: String(decoding: body.prefix(4096), as: UTF8.self))
    }

    /// The error's message, in whatever shape it comes; at most 500 characters of it.
    var message: String { Self.message(of: body) }

    private static func message(of error: [UInt8]) -> String {
        let text = error.span
        guard let object = try? JSONObject(document: text) else {
            return String(String(decoding: error.prefix(2000), as: UTF8.self).prefix(500))
        }
        if let inner = object.value("error", in: text), inner.kind == .object || inner.kind == .string {
            return inner.string(in: text) ?? message(of: inner.bytes(in: text))
        }
        let message = object.value("message", in: text) ?? object.value("detail", in: text)
        return String((message?.string(in: text) ?? String(decoding: error.prefix(2000), as: UTF8.self)).prefix(500))
    }
}
