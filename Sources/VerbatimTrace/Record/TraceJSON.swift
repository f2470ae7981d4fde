package import VerbatimJSON

extension JSONCursor.Options {
    /// The JSON that a reader of traces accepts, including `NaN` and `Infinity`, which Python writes.
    package static let trace: JSONCursor.Options = [.nonFiniteNumbers, .recordDepth, .validUTF8]
}
