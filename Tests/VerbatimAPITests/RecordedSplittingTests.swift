import VerbatimSchema
import TestSupport
import Testing
import VerbatimAPI
import VerbatimTesting

/// Recorded streams that are cut anywhere give the same bytes and the same capture.
///
/// The tests of the event splitter cut them at every position. Here each cut splits the whole reply again, so their
/// number is limited.
@Suite struct RecordedSplittingTests {
    /// How many bytes of one sample may be read in all.
    private static let budget = 200_000

    @Test(arguments: WireSample.streamedReplies)
    func cutInTwoGivesTheSame(sample: WireSample) throws {
        let stream = sample.response.body
        let reply = try sample.injectedReply()
        let whole = StreamDriver.run(reply, stream)
        let record = spelled(whole.reply.captured())
        StreamDriver.run(reply, stream, cutInTwoAt: Self.cuts(of: stream.count)) { cut, driver in
            if driver.output == whole.output, spelled(driver.reply.captured()) == record { return true }
            Issue.record("differs when cut behind \(cut) bytes")
            return false
        }
    }

    @Test(arguments: WireSample.streamedReplies)
    func singleBytesGiveTheSame(sample: WireSample) throws {
        let stream = sample.response.body
        for reply in [try sample.injectedReply(), try sample.injectedReply(.generic), try sample.ownReply()] {
            let whole = StreamDriver.run(reply, stream)
            let driver = StreamDriver.run(reply, stream, cuts: 1..<stream.count)
            #expect(driver.output == whole.output)
            #expect(spelled(driver.reply.captured()) == spelled(whole.reply.captured()))
        }
    }

    /// Other line endings give the same capture, and the agent receives them as sent.
    @Test(arguments: WireSample.streamedReplies, ["\r\n", "\r"])
    func otherLineEndingsGiveTheSame(sample: WireSample, ending: String) throws {
        let stream = Array(sample.bodyText.replacing("\n", with: ending).utf8)
        let reply = try sample.injectedReply()
        let expected = StreamDriver.run(reply, sample.response.body)
        for driver in [StreamDriver.run(reply, stream), StreamDriver.run(reply, stream, cuts: 1..<stream.count)] {
            #expect(driver.outputText == expected.outputText.replacing("\n", with: ending))
            #expect(spelled(driver.reply.captured()) == spelled(expected.reply.captured()))
        }
    }

    /// Every position of a small stream; else every one near the ends and some in between.
    private static func cuts(of count: Int) -> [Int] {
        let edge = 20
        let stride = max(1, count * count / budget)
        return (0...count).filter { stride == 1 || $0 < edge || $0 > count - edge || $0 % stride == 0 }
    }
}
