import VerbatimJSON
import VerbatimPlatform

/// The file beside a rollout's trace, `<rollout>.session.json`: what is known of the rollout and not in its turns.
enum SessionFile {
    static let suffix = ".session.json"
    private static let schema: StaticString = "verbatim.session/1"
    /// No file of this kind is larger.
    private static let maximumSize = 16 << 20

    // MARK: Writing

    static func encode(_ rollout: Rollout) -> [UInt8] {
        JSONWriter.bytes { json in
            json.object { json in
                json.member("schema", "\(schema)")
                json.member("session_id", rollout.id)
                if let created = rollout.created { json.member("created_at", seconds: created) }
                json.member("key_sha256", rollout.keyHash)
                json.member("state", state(of: rollout.phase))
                json.member("late", rollout.late)
                json.object("terms") { rollout.terms.write(to: &$0) }
                rollout.annotations.writeHistory(to: &json)
                if let snapshot = rollout.snapshot { json.object("snapshot") { snapshot.writeMembers(to: &$0) } }
            }
        } + [UInt8(ascii: "\n")]
    }

    private static func state(of phase: Rollout.Phase) -> String {
        switch phase {
        // Sealing is not known to anyone yet.
        case .open, .sealing: "open"
        case .sealed: "sealed"
        case .deleting: "deleting"
        }
    }

    // MARK: Reading

    /// The rollout that the file describes, with nothing used; nil if there is no file.
    static func read(_ path: String) throws(SessionsError) -> Rollout? {
        var bytes: [UInt8] = []
        do throws(SystemError) {
            let file = try OpenFile(path, for: .reading)
            while try file.read(upTo: 64 << 10, at: bytes.count, into: &bytes) > 0, bytes.count <= maximumSize {}
        } catch .doesNotExist {
            return nil
        } catch {
            throw .storage("cannot read '\(path)': \(error)")
        }
        guard let rollout = decode(bytes) else {
            throw .storage("'\(path)' is not a file of this program: repair or remove it")
        }
        return rollout
    }

    static func decode(_ bytes: [UInt8]) -> Rollout? {
        let text = bytes.span
        guard let object = try? JSONObject(document: text),
            object.value("schema", in: text)?.equals(schema, in: text)
                ?? false, let id = object.value("session_id", in: text)?.string(in: text)
        else { return nil }
        let phase: Rollout.Phase
        switch object.value("state", in: text)?.string(in: text) {
        case "open": phase = .open
        case "deleting": phase = .deleting
        case "sealed":
            guard let value = object.value("snapshot", in: text)?.object(in: text),
                let snapshot = Snapshot(value, in: text)
            else { return nil }
            phase = .sealed(snapshot)
        default: return nil
        }
        guard let terms = object.value("terms", in: text),
            let read = try? RolloutTerms.read(terms.bytes(in: text)).terms
        else { return nil }
        return Rollout(
            id: id, created: object.value("created_at", in: text)?.double(in: text), terms: read,
            keyHash: object.value("key_sha256", in: text)?.string(in: text), phase: phase,
            annotations: Annotations(reading: object.value("annotations", in: text), in: text),
            late: object.value("late", in: text)?.int(in: text) ?? 0)
    }
}

extension JSONValue {
    fileprivate func object(in text: Span<UInt8>) -> JSONObject? {
        kind == .object ? (try? JSONObject(scanning: text, at: range.lowerBound)) ?? nil : nil
    }
}
