import NIOCore
import VerbatimPlatform

/// What a reply consists of. Engines and gateways label replies wrongly, so that the first bytes count for more than
/// the `Content-Type`.
enum ReplyForm {
    /// Server-sent events.
    case events
    /// One JSON document.
    case document
    /// Something else, in which JSON objects may stand: one a line, for instance.
    case documents
}

/// Tells a reply's form from its first bytes.
struct ReplyFormSensor {
    struct Start {
        /// Bytes before the content: white space, or a byte order mark.
        var blank = ByteBuffer()
        /// Nil if more bytes are needed.
        var form: ReplyForm?
        /// What has come behind them; empty if more bytes are needed.
        var content = ByteBuffer()
    }

    private struct Finding {
        let blank: Int
        let form: ReplyForm?
    }

    /// The form of a reply whose first bytes fit neither JSON nor events.
    private let fallback: ReplyForm
    private var isAtStart = true
    /// Bytes that do not show the form yet.
    private var undecided = ByteBuffer()

    /// - Parameters:
    ///   - isEventStream: What the reply's head says.
    ///   - isStream: What the agent asked for.
    init(isEventStream: Bool, isStream: Bool) {
        fallback = isEventStream ? .events : isStream ? .documents : .document
    }

    /// Takes what has arrived.
    mutating func receive(_ body: ByteBuffer) -> Start {
        var content = undecided
        undecided = ByteBuffer()
        if content.readableBytes == 0 { content = body } else { content.writeImmutableBuffer(body) }
        let finding = read(content.readableBytesUInt8Span)
        let blank = content.readSlice(length: finding.blank) ?? ByteBuffer()
        if finding.form != nil { return Start(blank: blank, form: finding.form, content: content) }
        undecided = content
        return Start(blank: blank)
    }

    /// The start of a reply that has ended without showing its form.
    mutating func end() -> Start {
        Start(form: fallback == .events ? .events : .document, content: undecided)
    }

    private mutating func read(_ bytes: Span<UInt8>) -> Finding {
        var start = 0
        if isAtStart {
            start = bytes.matchLength(of: "\u{FEFF}")
            if start == bytes.count && start < 3 { return Finding(blank: 0, form: nil) }
            if start < 3 { start = 0 }
        }
        while start < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[start]) { start += 1 }
        if start > 0 { isAtStart = false }
        if start == bytes.count { return Finding(blank: start, form: nil) }
        return Finding(blank: start, form: form(of: bytes.extracting(start..<bytes.count)))
    }

    private func form(of content: Span<UInt8>) -> ReplyForm? {
        switch content[0] {
        case UInt8(ascii: "{"), UInt8(ascii: "["): return .document
        case UInt8(ascii: ":"): return .events
        default: break
        }
        for name in ["data", "event", "id", "retry"] as [StaticString] {
            let length = content.matchLength(of: name)
            if length == content.count { return nil }
            guard length == name.utf8CodeUnitCount else { continue }
            // A field without a value ends with its line.
            if [UInt8(ascii: ":"), UInt8(ascii: "\n"), UInt8(ascii: "\r")].contains(content[length]) { return .events }
        }
        // Events may begin with a field of another name. What begins otherwise is split at its JSON objects, so that
        // nothing waits for a blank line that may never come.
        let isLetter = UInt8(ascii: "a")...UInt8(ascii: "z") ~= content[0] | 0x20
        return fallback == .events && !isLetter ? .documents : fallback
    }
}
