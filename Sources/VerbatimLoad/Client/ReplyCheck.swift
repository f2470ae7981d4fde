import NIOCore

/// Compares a reply, as it arrives, with the one that was requested: every byte but the time in each event.
struct ReplyCheck {
    private enum Expected {
        case stream(StreamScript)
        case whole(ByteBuffer)
        /// An error of the proxy, or anything else that the engine did not send.
        case anything
    }

    private let spec: TurnSpec
    private let templates: ReplyTemplates
    private var reader = ReplyReader()
    private var expected: Expected?
    private var pending = ByteBuffer()
    private var scratch = ByteBuffer()
    private var step = 0
    /// The number of bytes of a whole reply that were compared.
    private var compared = 0
    private let checksHeaders: Bool

    /// - Parameter templates: The templates of `spec`, not chunked.
    init(_ spec: TurnSpec, _ templates: ReplyTemplates, checksHeaders: Bool = true) {
        self.spec = spec
        self.templates = templates
        self.checksHeaders = checksHeaders
    }

    /// The number of tokens that have arrived.
    var tokens: Int { min(max(0, step - 1), spec.events) }
    var status: Int { reader.status }
    var isHeadRead: Bool { reader.isHeadRead }
    var closes: Bool { reader.closes }
    /// Whether the reply is complete and without a mismatch.
    var isDone: Bool { reader.isDone }

    /// Checks bytes that have arrived. Calls `onEvent` with the engine's time for each token.
    mutating func receive(_ bytes: ByteBuffer, onEvent: (UInt64) -> Void) throws(Mismatch) {
        var bytes = bytes
        var body = try reader.receive(&bytes)
        guard reader.isHeadRead else { return }
        if expected == nil { expected = try expectation() }
        if pending.readableBytes == 0 { pending = body } else { pending.writeBuffer(&body) }
        switch expected {
        case .stream(let script): try compare(with: script, onEvent)
        case .whole(let whole): try compare(with: whole)
        case .anything, nil: pending.clear()
        }
    }

    private func expectation() throws(Mismatch) -> Expected {
        let wanted =
            switch spec.fault {
            case .error500: 500
            case .error429: 429
            default: 200
            }
        guard reader.status == wanted else {
            // An error of the proxy. The caller decides whether it is justified.
            if reader.status >= 500 { return .anything }
            throw .status(reader.status)
        }
        let isStream = spec.isStream && wanted == 200
        if checksHeaders {
            guard reader.header("x-request-id") == "load-\(spec.id)" else { throw .header("x-request-id") }
            guard reader.header("server") == "uvicorn" else { throw .header("server") }
            let type = isStream ? "text/event-stream; charset=utf-8" : "application/json"
            guard reader.header("content-type") == type else { throw .header("content-type") }
        }
        if isStream { return .stream(StreamScript(spec, templates, isChunked: false)) }
        var body = ByteBuffer()
        if wanted == 200 {
            templates.unary(spec, into: &body)
        } else {
            body.writeString(ReplyTemplates.error(spec, status: wanted))
        }
        return .whole(body)
    }

    private mutating func compare(with script: StreamScript, _ onEvent: (UInt64) -> Void) throws(Mismatch) {
        while step < script.stepCount {
            let template = script.template(ofStep: step)
            guard pending.readableBytes >= template.length else { break }
            scratch.clear()
            script.write(step: step, time: 0, into: &scratch)
            var time: UInt64 = 0
            if let range = template.timeRange {
                for offset in range {
                    let place = pending.readerIndex + offset
                    guard let digit: UInt8 = pending.getInteger(at: place), 48...57 ~= digit else {
                        throw difference(offset)
                    }
                    time = time * 10 + UInt64(digit - 48)
                    scratch.setInteger(digit, at: offset)
                }
            }
            guard let event = pending.readSlice(length: template.length) else { break }
            guard event == scratch else {
                pending.moveReaderIndex(to: pending.readerIndex - template.length)
                throw difference(zip(event.readableBytesView, scratch.readableBytesView).prefix { $0 == $1 }.count)
            }
            if script.token(ofStep: step) != nil { onEvent(time) }
            step += 1
        }
        if step == script.stepCount && pending.readableBytes > 0 { throw .surplus(pending.readableBytes) }
        if reader.isDone && step < script.stepCount { throw .short(event: step) }
        if pending.readableBytes == 0 { pending = ByteBuffer() }
    }

    /// How an event differs from the expected one.
    private func difference(_ offset: Int) -> Mismatch {
        let text = String(buffer: pending)
        if let id = Self.text(behind: #""id":"chatcmpl-"#, in: text, count: 8), id != Self.hexadecimal(spec.id) {
            return .foreign(request: id)
        }
        if let number = Self.text(behind: #""content":" "#, in: text, count: 6).flatMap({ Int($0) }), number != step {
            return .order(expected: step, got: number)
        }
        return .bytes(event: step, offset: offset)
    }

    private static func text(behind start: String, in text: String, count: Int) -> String? {
        let event = text.prefix { !$0.isNewline }
        guard let place = event.firstRange(of: start)?.upperBound else { return nil }
        return String(event[place...].prefix(count))
    }

    private static func hexadecimal(_ id: UInt32) -> String {
        let digits = String(id, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    private mutating func compare(with whole: ByteBuffer) throws(Mismatch) {
        let count = min(pending.readableBytes, whole.readableBytes - compared)
        guard let part = pending.readSlice(length: count), let same = whole.getSlice(at: compared, length: count),
            part == same
        else {
            let rest = whole.readableBytesView.dropFirst(compared)
            pending.moveReaderIndex(to: pending.readerIndex - count)
            throw .bytes(event: 0, offset: compared + zip(pending.readableBytesView, rest).prefix { $0 == $1 }.count)
        }
        compared += count
        if pending.readableBytes > 0 { throw .surplus(pending.readableBytes) }
        pending = ByteBuffer()
        if reader.isDone && compared < whole.readableBytes { throw .short(event: 0) }
        if reader.isDone && spec.fault == nil { step = spec.events + 1 }
    }
}
