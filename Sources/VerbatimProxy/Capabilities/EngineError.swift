import NIOCore
import VerbatimAPI
import VerbatimJSON
import VerbatimPlatform

/// A failure that the engine gave in place of a reply.
struct EngineError {
    /// ``hangUp`` has no status.
    let status: Int
    /// The body of the error, or the JSON text of the `error` of an event.
    let body: [UInt8]
    /// The engine asks to be left alone for a while.
    var asksToWait = false

    init(status: Int, body: [UInt8], asksToWait: Bool = false) {
        self.status = status
        self.body = body
        self.asksToWait = asksToWait
    }

    /// The status that stands for an engine that closes the connection.
    static let hangUpStatus = 0

    /// The engine closed the connection before it had replied.
    static let hangUp = EngineError(status: hangUpStatus, body: [])

    /// A reply without content where one was due.
    static let emptyReply = EngineError(status: 400, body: [])

    /// An error in a reply that has a good status. What the error says takes the place of the status.
    ///
    /// - Parameter event: The JSON text of the event's `error`.
    init(event: [UInt8]) {
        status = Self.statedStatus(in: event) ?? 400
        body = event
    }

    /// A reply whose status is good, but which is not a reply of the API: it is empty, no JSON object, or an error in
    /// whatever shape. Nil for any other.
    init?(reply: ByteBuffer) {
        let bytes = Array(reply.readableBytesView)
        let text = bytes.span
        guard let object = try? JSONObject(document: text, options: .nonFiniteNumbers) else {
            self.init(status: 400, body: bytes)
            return
        }
        for name in ["choices", "output", "content", "response"] {
            guard let content = object.member(named: name, in: text)?.value else { continue }
            if !Self.isEmpty(content, in: text) { return nil }
        }
        for name in ["error", "detail", "message", "errors"] {
            guard let value = object.member(named: name, in: text)?.value else { continue }
            if value.isNull || value.kind == .false { continue }
            self.init(event: bytes)
            return
        }
        return nil
    }

    private static func isEmpty(_ content: JSONValue, in text: Span<UInt8>) -> Bool {
        if content.isNull { return true }
        guard content.kind == .array else { return false }
        var cursor = JSONCursor(at: content.range.lowerBound, options: .nonFiniteNumbers)
        return (try? cursor.enterArray(in: text)) != nil && (try? cursor.nextElement(in: text)) == false
    }

    // MARK: What it says of its cause

    /// Whether failures with this status are the engine's, and not those of a single request.
    static func isOfEngine(_ status: Int) -> Bool { status >= 500 || status == hangUpStatus }

    /// Whether the injection may be the cause, whatever the words. It is not if the engine wants to be paid, to know
    /// the agent, or to get fewer requests.
    var mayBeRejection: Bool {
        if asksToWait { return false }
        if status == Self.hangUpStatus { return true }
        return status >= 400 && status < 600 && ![401, 402, 407, 408, 429, 529].contains(status)
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

    // MARK: The status that an error states

    /// The status in an error, which may be nested: a number, a string of digits, or a word that is known.
    private static func statedStatus(in error: [UInt8]) -> Int? {
        let text = error.span
        guard let object = try? JSONObject(document: text) else { return nil }
        for name in ["code", "status", "status_code", "error_code"] {
            guard let value = object.member(named: name, in: text)?.value else { continue }
            let number = value.int(in: text) ?? value.string(in: text).flatMap { Int($0) }
            if let number, 400..<600 ~= number { return number }
        }
        if let inner = object.value("error", in: text), inner.kind == .object,
            let status = statedStatus(in: inner.bytes(in: text))
        {
            return status
        }
        for name in ["code", "type", "status"] {
            if let word = object.member(named: name, in: text)?.value.string(in: text)?.lowercased(),
                let known = words.first(where: { word.contains(text: $0.word) })
            {
                return known.status
            }
        }
        return nil
    }

    /// Parts of the words by which errors state what others state as a status.
    private static let words: [(word: String, status: Int)] = [
        ("rate_limit", 429), ("ratelimit", 429), ("quota", 429), ("resource_exhausted", 429),
        ("too_many_requests", 429), ("overloaded", 529), ("authentication", 401), ("invalid_api_key", 401),
        ("unauthenticated", 401), ("billing", 402), ("not_found", 404), ("server_error", 500), ("internal", 500),
        ("unavailable", 503), ("timeout", 504),
    ]
}
