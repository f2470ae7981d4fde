import VerbatimJSON

/// Server-sent events that are written here and not by an engine. Each includes the blank line that ends it.
struct EventList: Sendable {
    private(set) var events: [[UInt8]] = []

    /// Adds an event without a name, as the older APIs send them.
    mutating func add(_ write: (inout JSONWriter) -> Void) {
        var event = Array("data: ".utf8)
        JSONWriter.append(to: &event) { $0.object(write) }
        end(event)
    }

    /// Adds an event with a name, which its data repeat as their type.
    mutating func add(named type: StaticString, _ write: (inout JSONWriter) -> Void) {
        var event = Array("event: \(type)\ndata: ".utf8)
        JSONWriter.append(to: &event) { json in
            json.object { json in
                json.member("type", type.description)
                write(&json)
            }
        }
        end(event)
    }

    /// Adds `[DONE]`.
    mutating func addDone() { end(Array("data: [DONE]".utf8)) }

    private mutating func end(_ event: [UInt8]) { events.append(event + Array("\n\n".utf8)) }
}
