import VerbatimSchema
import Foundation
import VerbatimJSON
import TestSupport
import Testing
import VerbatimAPI
import VerbatimTesting

/// The recorded exchanges over `/messages`: all bytes pass, and the record has the assembled message.
@Suite struct RecordedMessageTests {
    @Test func allSetsHaveSamples() {
        #expect(Set(WireSample.messages.map(\.set)).count == 4)
        #expect(WireSample.messageStreams.count == 8 && WireSample.wholeMessages.count == 12)
    }

    @Test(arguments: WireSample.messages, CaptureGoal.allCases)
    func requestsAreForwardedUnchanged(sample: WireSample, goal: CaptureGoal) throws {
        let text = String(decoding: sample.request.body, as: UTF8.self)
        let prepared = try prepareMessage(text, profile: sample.profile) { $0.goal = goal }
        #expect(prepared.body == sample.request.body)
        #expect(prepared.injection.isEmpty && prepared.clientFields.isEmpty)
        #expect(prepared.isStream == sample.response.isEventStream)
        #expect(prepared.hasTools == sample.name.hasSuffix("_tools"))
    }

    // MARK: Streams

    @Test(arguments: WireSample.messageStreams)
    func recordedStreamsAreCaptured(sample: WireSample) throws {
        let naive = try NaiveMessage(sample.bodyText)
        let driver = StreamDriver.run(try sample.messageReply(), sample.response.body)
        #expect(driver.output == sample.response.body)
        #expect(driver.events.dropLast().allSatisfy { $0.isUntouched })
        #expect(driver.events.last?.isTerminal == true)
        #expect(driver.errors.isEmpty)
        #expect(driver.reply.hasOutput)
        let capture = driver.reply.captured()
        #expect(try decoded(capture.response.bytes) == naive.response)
        #expect(capture.problems == [] && capture.isComplete && capture.level == .text)
        #expect(try capture.usage.map { try decoded($0) } == naive.usage.map { $0 as NSDictionary })
        #expect(capture.choices.map(\.index) == [0])
        #expect(capture.choices.first?.finishReason.text == naive.stopReason.map { #""\#($0)""# })
        #expect(capture.model.text == #""tiny/tiny-1""#)
        #expect(capture.responseID.text?.hasPrefix(#""chatcmpl-"#) == true)
        #expect(!capture.responseText.contains("\n"))
    }

    /// An assembled stream has the fields of a body; only generated values differ.
    @Test(arguments: ["llamacpp", "llamacpp-tools", "vllm", "vllm-reasoning"])
    func assembledStreamsLookLikeBodies(set: String) throws {
        let stream = try #require(WireSample.named("messages_stream_plain", in: set))
        let whole = try #require(WireSample.named("messages_unary_plain", in: set))
        let assembled = StreamDriver.run(try stream.messageReply(), stream.response.body).reply.captured()
        let kept = readWhole(try whole.messageReply(), whole.response.body).reply.captured()
        func keys(_ text: String) -> [String] { text.matches(of: /"([a-z_]+)":/).map { String($0.1) } }
        // vLLM omits null fields from a body.
        #expect(
            keys(assembled.responseText).filter { $0 != "stop_sequence" }
                == keys(kept.responseText).filter { $0 != "stop_sequence" })
    }

    @Test(arguments: WireSample.messageStreams)
    func cutInTwoGivesTheSame(sample: WireSample) throws {
        let stream = sample.response.body
        let reply = try sample.messageReply()
        let record = spelled(StreamDriver.run(reply, stream).reply.captured())
        // Every position of small samples, some of others.
        let step = stream.count > 2500 ? 97 : 1
        StreamDriver.run(reply, stream, cutInTwoAt: stride(from: 0, through: stream.count, by: step)) { cut, driver in
            if driver.output == stream, spelled(driver.reply.captured()) == record { return true }
            Issue.record("differs when cut behind \(cut) bytes")
            return false
        }
    }

    @Test(arguments: WireSample.messageStreams, ["\n", "\r\n", "\r"])
    func singleBytesGiveTheSame(sample: WireSample, ending: String) throws {
        let stream = Array(sample.bodyText.replacing("\n", with: ending).utf8)
        let whole = StreamDriver.run(try sample.messageReply(), sample.response.body)
        let driver = StreamDriver.run(try sample.messageReply(), stream, cuts: 1..<stream.count)
        #expect(driver.output == stream)
        #expect(spelled(driver.reply.captured()) == spelled(whole.reply.captured()))
    }

    /// A stream may end anywhere: what has come is kept.
    @Test(arguments: WireSample.messageStreams.filter { $0.response.body.count < 2500 })
    func truncatedStreamKeepsWhatCame(sample: WireSample) throws {
        let stream = sample.response.body
        for end in stride(from: 0, through: stream.count, by: 7) {
            let start = Array(stream[..<end])
            let text = String(decoding: start, as: UTF8.self)
            let driver = StreamDriver.run(try sample.messageReply(), start)
            #expect(driver.output == start)
            let capture = driver.reply.captured()
            #expect(try decoded(capture.response.bytes) == NaiveMessage(text).response)
            let isWhole = text.contains(#"{"type":"message_stop"}"#)
            #expect(capture.isComplete == isWhole)
            #expect(capture.problems.contains("stream_not_terminated") == !isWhole)
            #expect(capture.level == (capture.responseText == #"{"content":[]}"# ? .none : .text))
        }
    }

    @Test(arguments: WireSample.messageStreams, [CaptureGoal.tokens, .logprobs])
    func missingTokenDataAreMarked(sample: WireSample, goal: CaptureGoal) throws {
        let driver = StreamDriver.run(try sample.messageReply(goal), sample.response.body)
        #expect(driver.output == sample.response.body)
        let capture = driver.reply.captured()
        #expect(capture.problems == ["no_token_data"] && !capture.isComplete && capture.level == .text)
    }

    @Test(arguments: WireSample.messageStreams)
    func terminalEventIsRecognizedWithoutReading(sample: WireSample) throws {
        let reply = try sample.messageReply()
        let events = sample.bodyText.components(separatedBy: "\n\n").dropLast()
        let ends = events.filter { isTerminal($0 + "\n\n", for: reply) }
        #expect(ends == [events.last])
    }

    // MARK: Whole replies

    @Test(arguments: WireSample.wholeMessages, [CaptureGoal.tokens, .text])
    func bodiesAreCaptured(sample: WireSample, goal: CaptureGoal) throws {
        let read = readWhole(try sample.messageReply(goal), sample.response.body)
        #expect(read.output == sample.response.body)
        let capture = read.reply.captured()
        #expect(capture.response.bytes == sample.response.body)
        let body = try #require(decoded(sample.response.body) as? [String: Any])
        if sample.response.status == 200 {
            #expect(capture.level == .text && capture.isComplete == (goal == .text))
            #expect(capture.problems == (goal == .text ? [] : ["no_token_data"]))
            #expect(try capture.usage.map { try decoded($0) } == body["usage"] as? NSDictionary)
            #expect(capture.choices.first?.finishReason.text == (body["stop_reason"] as? String).map { #""\#($0)""# })
            #expect(capture.model.text == #""tiny/tiny-1""#)
            #expect(try capture.responseID.map { try decoded($0) } as? String == body["id"] as? String)
            #expect(read.reply.error == nil)
        } else {
            #expect(capture.level == .none && !capture.isComplete && capture.problems == [])
            #expect(capture.choices.isEmpty)
            #expect(try read.reply.error.map { try decoded($0) } == body["error"] as? NSDictionary)
        }
    }
}
