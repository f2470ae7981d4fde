import VerbatimSchema
import Foundation
import VerbatimJSON
import TestSupport
import Testing
import VerbatimAPI
import VerbatimTesting

/// Recorded responses of real engines: what the agent receives, and what is captured.
@Suite struct RecordedResponsesTests {
    @Test func recordingsExist() {
        #expect(WireSample.responses.count == 28 && WireSample.answeredResponses.count == 22)
        #expect(WireSample.responses.filter { $0.asksIncludedLogprobs && $0.response.status == 200 }.count == 4)
    }

    // MARK: Restoring

    /// A restored recording equals a recording without log-probabilities, except for values that differ in every reply.
    @Test(arguments: ["vllm", "vllm-reasoning"], ["stream", "unary"])
    func restoredRecordingEqualsThePlainOne(set: String, kind: String) throws {
        let plain = try #require(WireSample.named("responses_\(kind)_plain", in: set))
        let captured = try #require(WireSample.named("responses_\(kind)_logprobs", in: set))
        for reply in [try captured.injectedResponse(), try captured.injectedResponse(.generic)] {
            let text = restored(captured, reply)
            #expect(
                WireSample.comparableResponse(text) == WireSample.comparableResponse(plain.bodyText))
        }
    }

    /// Every byte passes if nothing was injected, if the agent asked for the same, or if the injection had no effect.
    @Test(arguments: WireSample.responses)
    func requestedTokenDataAreKept(sample: WireSample) throws {
        #expect(restored(sample, try untouchedResponse()) == sample.bodyText)
        #expect(restored(sample, try sample.ownResponse()) == sample.bodyText)
        #expect(restored(sample, try sample.ownResponse(goal: .text)) == sample.bodyText)
        if !sample.asksIncludedLogprobs {
            #expect(restored(sample, try VerbatimAPITests.injectedResponse(.vllm)) == sample.bodyText)
            #expect(restored(sample, try VerbatimAPITests.injectedResponse(.generic)) == sample.bodyText)
        }
    }

    /// Compares each event with another implementation of the restoration: nothing else has changed.
    @Test(arguments: WireSample.answeredResponses)
    func onlyInjectedValuesChange(sample: WireSample) throws {
        let text = restored(sample, try sample.injectedResponse())
        let (sent, received) = (Self.documents(sample.bodyText), Self.documents(text))
        #expect(sent.count == received.count)
        for (sent, received) in zip(sent, received) {
            let document = try #require(decoded(sent) as? NSDictionary)
            #expect(try decoded(received) == (sample.asksIncludedLogprobs ? Self.undone(document) : document))
        }
    }

    /// The last event is terminal, wherever its type is.
    @Test(arguments: WireSample.responseStreams)
    func terminalEventIsRecognized(sample: WireSample) throws {
        let driver = StreamDriver.run(try sample.injectedResponse(), sample.response.body)
        #expect(driver.events.last?.isTerminal == true)
        #expect(driver.events.dropLast().allSatisfy { !$0.isTerminal && !$0.isDropped })
        let reply = try sample.injectedResponse()
        let events = sample.bodyText.components(separatedBy: "\n\n").filter { !$0.isEmpty }
        let flags = events.map { reply.isTerminal(event: Array("\($0)\n\n".utf8).span) }
        #expect(flags == events.map { $0.hasPrefix("event: response.completed") })
    }

    // MARK: Capturing

    @Test(arguments: WireSample.answeredResponses)
    func responseIsCaptured(sample: WireSample) throws {
        let capture = captured(sample, try sample.injectedResponse())
        let naive = try Self.naive(sample)
        let choice = try #require(capture.choices.first)
        #expect(capture.choices.count == 1 && choice.index == 0)
        #expect(try decoded(choice.tokens.array) == naive.entries.map { $0["token"] ?? NSNull() } as NSArray)
        #expect(try decoded(choice.logprobValues.array) == naive.entries.map { $0["logprob"] ?? NSNull() } as NSArray)
        for value in choice.valuesText.split(separator: ",") { #expect(sample.bodyText.contains(":\(value),")) }
        #expect(try decoded(choice.logprobs?.array ?? Array("[]".utf8)) == naive.entries as NSArray)
        #expect(choice.tokenIDs.isEmpty && capture.promptTokenIDs == nil)

        #expect(try capture.model.map { try decoded($0) } == naive.response["model"] as? NSObject)
        #expect(try capture.responseID.map { try decoded($0) } == naive.response["id"] as? NSObject)
        #expect(try capture.usage.map { try decoded($0) } == naive.response["usage"] as? NSObject)
        let reason = (naive.response["incomplete_details"] as? NSDictionary)?["reason"] ?? naive.response["status"]
        #expect(try choice.finishReason.map { try decoded($0) } == reason as? NSObject)

        #expect(capture.level == (naive.entries.isEmpty ? .text : .logprobs))
        let count = (naive.response["usage"] as? NSDictionary)?["output_tokens"] as? Int
        let problems: [ProblemCode] =
            naive.entries.isEmpty
            ? ["no_token_data"] : count == naive.entries.count ? [] : ["token_count_mismatch"]
        #expect(capture.problems == problems)
        #expect(capture.isComplete == problems.isEmpty)
    }

    /// The response is recorded as sent.
    @Test(arguments: WireSample.answeredResponses)
    func responseIsRecordedAsSent(sample: WireSample) throws {
        let capture = captured(sample, try sample.injectedResponse())
        #expect(try decoded(capture.response.bytes) == Self.naive(sample).response as NSDictionary)
        #expect(sample.bodyText.contains(capture.responseText))
    }

    @Test(arguments: WireSample.answeredResponses)
    func compactDetailOmitsEntries(sample: WireSample) throws {
        let full = captured(sample, try sample.injectedResponse())
        let compact = captured(sample, try sample.injectedResponse(detail: .compact))
        #expect(!compact.responseText.contains(#""logprobs""#))
        #expect(full.choices.map(\.tokens) == compact.choices.map(\.tokens))
        #expect(try decoded(compact.response.bytes) == Self.without(["logprobs"], try decoded(full.response.bytes)))
        #expect(
            restored(sample, try sample.injectedResponse(detail: .compact))
                == restored(sample, try sample.injectedResponse()))
    }

    @Test(arguments: WireSample.answeredResponses)
    func requestedTokenDataAreCaptured(sample: WireSample) throws {
        let own = captured(sample, try sample.ownResponse())
        let injected = captured(sample, try sample.injectedResponse())
        #expect(spelled(own) == spelled(injected))
    }

    @Test(arguments: WireSample.responses.filter { $0.response.status != 200 })
    func recordedRefusalsAreErrors(sample: WireSample) throws {
        let capture = captured(sample, try sample.injectedResponse())
        #expect(capture.choices.isEmpty && capture.level == .none && !capture.isComplete)
        #expect(capture.response.bytes == sample.response.body)
    }

    /// A stream may end anywhere: the record is JSON, and its output is the beginning of the whole output.
    @Test(arguments: WireSample.responseStreams)
    func truncatedStreamKeepsWhatCame(sample: WireSample) throws {
        let events = sample.bodyText.components(separatedBy: "\n\n").filter { !$0.isEmpty }.map { "\($0)\n\n" }
        let whole = try Self.naive(sample).response["output"] as? [NSDictionary] ?? []
        for count in 0..<events.count {
            let driver = StreamDriver.run(try sample.injectedResponse(), events.prefix(count).joined())
            let capture = driver.reply.captured()
            #expect(capture.problems.contains("stream_not_terminated") && !capture.isComplete)
            #expect(capture.choices.allSatisfy { $0.finishReason == nil })
            let response = try #require(decoded(capture.response.bytes) as? NSDictionary)
            let output = try #require(response["output"] as? [NSDictionary])
            for (item, complete) in zip(output, whole) {
                #expect(item["id"] as? String == complete["id"] as? String && item["type"] as? String != nil)
                #expect(Self.text(of: complete).hasPrefix(Self.text(of: item)))
            }
            if count == events.count - 1 { #expect(output == whole) }
        }
    }

    // MARK: Cuts by the network

    @Test(arguments: WireSample.responseStreams)
    func cutInTwoGivesTheSame(sample: WireSample) throws {
        let stream = sample.response.body
        let reply = try sample.injectedResponse()
        let whole = StreamDriver.run(reply, stream)
        let record = spelled(whole.reply.captured())
        let cuts = stride(from: 0, through: stream.count, by: max(1, stream.count / 40))
        StreamDriver.run(reply, stream, cutInTwoAt: cuts) { cut, driver in
            #expect(driver.output == whole.output && spelled(driver.reply.captured()) == record, "\(cut)")
            return true
        }
    }

    @Test(arguments: WireSample.responseStreams)
    func singleBytesGiveTheSame(sample: WireSample) throws {
        let stream = sample.response.body
        for reply in [try sample.injectedResponse(), try sample.injectedResponse(.generic), try sample.ownResponse()] {
            let whole = StreamDriver.run(reply, stream)
            let driver = StreamDriver.run(reply, stream, cuts: 1..<stream.count)
            #expect(driver.output == whole.output)
            #expect(spelled(driver.reply.captured()) == spelled(whole.reply.captured()))
        }
    }

    // MARK: An independent implementation

    private static func documents(_ text: String) -> [String] {
        guard text.contains("data: ") else { return [text] }
        return text.components(separatedBy: "\n").filter { $0.hasPrefix("data: {") }.map { String($0.dropFirst(6)) }
    }

    private static func naive(_ sample: WireSample) throws -> (response: [String: Any], entries: [[String: Any]]) {
        let documents = try documents(sample.bodyText).map { try #require(decoded($0) as? [String: Any]) }
        guard sample.response.isEventStream else {
            let response = try #require(documents.first)
            let items = response["output"] as? [[String: Any]] ?? []
            let parts = items.flatMap { $0["content"] as? [[String: Any]] ?? [] }
            return (response, parts.flatMap { $0["logprobs"] as? [[String: Any]] ?? [] })
        }
        let deltas = documents.filter { $0["type"] as? String == "response.output_text.delta" }
        let entries = deltas.flatMap { $0["logprobs"] as? [[String: Any]] ?? [] }
        return (documents.last?["response"] as? [String: Any] ?? [:], entries)
    }

    /// An event or a body without log-probabilities as vLLM sends it: `[]` in a delta, null in parts.
    private static func undone(_ value: NSObject) -> NSObject {
        if let list = value as? [NSObject] { return list.map(undone) as NSArray }
        guard var object = value as? [String: NSObject] else { return value }
        for (key, value) in object {
            if key == "logprobs" && value != NSArray() {
                object[key] = object["delta"] == nil ? NSNull() : NSArray()
            } else if key == "top_logprobs" && value is NSNumber {
                object[key] = NSNull()
            } else {
                object[key] = undone(value)
            }
        }
        return object as NSDictionary
    }

    private static func without(_ keys: Set<String>, _ value: NSObject) -> NSObject {
        if let list = value as? [NSObject] { return list.map { without(keys, $0) } as NSArray }
        guard let object = value as? [String: NSObject] else { return value }
        return object.filter { !keys.contains($0.key) }.mapValues { without(keys, $0) } as NSDictionary
    }

    private static func text(of item: NSDictionary) -> String {
        let parts = item["content"] as? [NSDictionary] ?? []
        return parts.map { $0["text"] as? String ?? "" }.joined() + (item["arguments"] as? String ?? "")
    }
}
