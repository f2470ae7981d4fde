package import VerbatimJSON

/// What a trainer has said about a rollout or its turns, such as a reward. Kept beside the trace, never in a turn.
package struct Annotations: Hashable, Sendable {
    /// What an annotation is about.
    package struct Subject: Hashable, Sendable {
        /// nil for the whole rollout.
        package var turn: Int?
        /// The session of the turn; nil for the rollout's root.
        package var session: String?
    }

    /// One value, as it was set.
    struct Entry: Hashable, Sendable {
        let subject: Subject
        let key: String
        /// JSON text.
        let value: [UInt8]
        /// Unix time in seconds.
        let time: Double
    }

    /// Most bytes that the values of one rollout may have.
    package static let maximumSize = 1 << 20

    /// All that was ever set, in order.
    private(set) var history: [Entry] = []
    private var size = 0

    package init() {}

    // MARK: Setting

    /// Sets the values that `body` states: each member but `turn` and `session_id`.
    package mutating func set(_ body: [UInt8], at time: Double) throws(SessionsError) {
        let fields = try BodyFields(body)
        let subject = Subject(turn: try fields.count("turn", least: 1), session: try fields.string("session_id"))
        _ = try fields.number("reward")
        _ = try fields.count("terminal_turn", least: 1)
        _ = try fields.string("role")
        let values = fields.members.filter { $0.name != "turn" && $0.name != "session_id" }
        if values.isEmpty { throw .invalid("nothing is set: name at least one value, such as 'reward'") }
        let size = values.reduce(0) { $0 + $1.name.utf8.count + $1.value.count }
        guard self.size + size <= Self.maximumSize else {
            throw .invalid("the annotations of this session would be larger than \(Self.maximumSize) bytes")
        }
        for value in values {
            append(Entry(subject: subject, key: value.name, value: value.value, time: time))
        }
    }

    private mutating func append(_ entry: Entry) {
        size += entry.key.utf8.count + entry.value.count
        history.append(entry)
    }

    // MARK: Reading

    /// The last value of each key of each subject, in the order in which they were first set.
    var latest: [Entry] {
        var places: [Place: Int] = [:]
        var latest: [Entry] = []
        for entry in history {
            let place = Place(subject: entry.subject, key: entry.key)
            if let index = places[place] {
                latest[index] = entry
            } else {
                places[place] = latest.count
                latest.append(entry)
            }
        }
        return latest
    }

    private struct Place: Hashable {
        let subject: Subject
        let key: String
    }

    /// The rollout's own last value of this key, as JSON text.
    package func value(_ key: String) -> [UInt8]? {
        history.last { $0.key == key && $0.subject == Subject() }?.value
    }

    package func writeLatest(to json: inout JSONWriter) { Self.write(latest, "annotations", to: &json) }

    // MARK: The file

    func writeHistory(to json: inout JSONWriter) { Self.write(history, "annotations", to: &json) }

    private static func write(_ entries: [Entry], _ name: StaticString, to json: inout JSONWriter) {
        json.array(name) { json in
            for entry in entries {
                json.object { json in
                    if let session = entry.subject.session { json.member("session_id", session) }
                    if let turn = entry.subject.turn { json.member("turn", turn) }
                    json.member("key", entry.key)
                    json.key("value")
                    json.raw(entry.value)
                    json.member("at", seconds: entry.time)
                }
            }
        }
    }

    /// Reads what ``writeHistory(to:)`` has written. Entries that are damaged are skipped.
    init(reading value: JSONValue?, in text: Span<UInt8>) {
        guard let value, value.kind == .array else { return }
        var cursor = JSONCursor(at: value.range.lowerBound)
        guard (try? cursor.enterArray(in: text)) != nil else { return }
        while (try? cursor.nextElement(in: text)) == true {
            guard let object = try? JSONObject(with: &cursor, in: text) else { return }
            guard let key = object.value("key", in: text)?.string(in: text),
                let value = object.value("value", in: text)
            else { continue }
            append(
                Entry(
                    subject: Subject(
                        turn: object.value("turn", in: text)?.int(in: text),
                        session: object.value("session_id", in: text)?.string(in: text)),
                    key: key, value: value.bytes(in: text),
                    time: object.value("at", in: text)?.double(in: text) ?? 0))
        }
    }
}
