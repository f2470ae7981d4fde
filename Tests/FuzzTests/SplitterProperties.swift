import VerbatimSSE
import TestSupport

enum SplitterProperties {
    static func check(_ input: [UInt8]) throws {
        var choices = Choices(input)
        let seed = choices.byte() << 8 | choices.byte()
        let stream = Array(choices.rest)
        let whole = try boundaries(of: stream, cuts: [])
        try Violation.unless(
            whole == NaiveEventStream.boundaries(in: stream), "a plain reader sees other events: \(whole)")
        for cuts in [cuts(of: stream.count, seed: seed), Array(stride(from: 1, to: stream.count, by: 1))] {
            try Violation.unless(
                try boundaries(of: stream, cuts: cuts) == whole, "cut at \(cuts) there are other events")
        }
    }

    /// Returns the offsets at which units end.
    private static func boundaries(of stream: [UInt8], cuts: [Int]) throws -> [Int] {
        var splitter = EventSplitter()
        var boundaries: [Int] = []
        var start = 0
        for end in cuts + [stream.count] {
            while let unit = splitter.nextUnit(in: stream.span.extracting(start..<end)) {
                try Violation.unless(unit.length > 0 && start + unit.length <= end, "a unit of \(unit.length) bytes")
                start += unit.length
                if unit.kind == .lineFeed { boundaries.removeLast() }
                boundaries.append(start)
            }
        }
        return boundaries
    }
}
