import VerbatimJSON

/// Reads the replies of one API: captures them, and notes the edits that undo the injection.
///
/// A parser says what a JSON document of its API means. An extension of the protocol does what all APIs share: it
/// finds the documents in events, and skips parsing where an event's effects can be replayed.
protocol ReplyParser: ReplyTransform {
    /// What the parser's effects change. A parser that parses each event of a stream has none, and leaves the default.
    associatedtype Target: EffectTarget = NoEffectTarget

    var state: ReplyState { get set }
    var sink: EffectSink<Target> { get set }
    var reading: ReplyReading<Target.Effect> { get set }

    /// Reads the document of one event, or the whole reply if ``ReplyState/isWhole``. It is known to be valid JSON, and
    /// `cursor` is at its beginning. Edits go to ``ReplyState/edits``.
    ///
    /// A change to what has been captured must go through ``sink`` if the parser has a target, and the edits must be
    /// the same for each event of a template, but for their place.
    mutating func read(document: Span<UInt8>, with cursor: JSONCursor) throws(JSONError) -> EventDisposition
    /// What ends the stream after what has been read, as an engine would write it.
    func engineEnding(for expected: ExpectedReply, usage: EndingUsage) -> StreamEnding
    /// Whether an event with this document ends a stream. For streams that are no longer read.
    func isTerminal(document: Span<UInt8>) -> Bool
}

extension ReplyParser {
    package var hasOutput: Bool { state.hasOutput }
}

extension ReplyParser where Target == NoEffectTarget {
    var sink: EffectSink<NoEffectTarget> {
        get { EffectSink(NoEffectTarget()) }
        set {}
    }
}
