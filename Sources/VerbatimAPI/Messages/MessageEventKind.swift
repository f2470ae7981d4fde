import VerbatimJSON

/// The `type` of an event, or of a reply that is not streamed.
enum MessageEventKind {
    case message, messageStart, messageDelta, messageStop, blockStart, blockDelta, blockStop, error
    /// For example `ping`, which holds nothing for the record.
    case other

    init(_ type: JSONValue?, in text: Span<UInt8>) {
        guard let type else {
            self = .other
            return
        }
        self = Self.names.first { type.equals($0.name, in: text) }?.kind ?? .other
    }

    /// The most frequent first.
    private static let names: [(name: StaticString, kind: MessageEventKind)] = [
        ("content_block_delta", .blockDelta), ("content_block_start", .blockStart), ("content_block_stop", .blockStop),
        ("message_start", .messageStart),
        ("message_delta", .messageDelta), ("message_stop", .messageStop), ("message", .message), ("error", .error),
    ]
}
