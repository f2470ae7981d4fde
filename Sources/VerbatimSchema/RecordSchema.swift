/// Constants of the record format. The field `schema` of a record names it.
package enum RecordSchema {
    /// The name of the format that `docs/trace.md` describes.
    package static let turn = "verbatim.turn/1"

    /// The session of an agent that names none, and of a record without `session_id`.
    package static let defaultSession = "default"
}
