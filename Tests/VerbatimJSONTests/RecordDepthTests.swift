import VerbatimJSON
import Testing

@Suite struct RecordDepthTests {
    private func accepts(depth: Int, _ options: JSONCursor.Options) -> Bool {
        let text =
            [UInt8](repeating: UInt8(ascii: "["), count: depth) + [UInt8](repeating: UInt8(ascii: "]"), count: depth)
        var cursor = JSONCursor(options: options)
        do throws(JSONError) {
            try cursor.skipValue(in: text.span)
            try cursor.expectEnd(in: text.span)
            return true
        } catch {
            return false
        }
    }

    @Test func recordsMayBeEightLevelsDeeperThanRequests() {
        let limit = JSONCursor.maximumDepth
        #expect(accepts(depth: limit, []))
        #expect(!accepts(depth: limit + 1, []))
        #expect(accepts(depth: limit + 8, .recordDepth))
        #expect(!accepts(depth: limit + 9, .recordDepth))
    }
}
