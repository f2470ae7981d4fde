/// The names of the record formats: the field `schema` of a record.
package enum RecordSchema {
    /// The format that `docs/trace.md` describes.
    package static let turn = "verbatim.turn/1"
}
