package import VerbatimAPI
import VerbatimJSON
import VerbatimSchema

/// Checks the parser of an API against everything that ``ReplyTransform`` and the proxy's promises require of it.
///
/// To cover a new API, make one value with a few samples and expect ``violations()`` to be empty.
package struct ReplyParserConformance: Sendable, CustomStringConvertible {
    /// A request of an agent, and the reply of an engine to it.
    package struct Sample: Sendable {
        package let name: String
        /// The body of a request that asks for no token data.
        package let request: String
        /// What the engine sends when everything was injected.
        package let reply: String
        /// What the engine would have sent without the injection, which is what the agent must receive.
        package let restored: String
        /// How many tokens are captured; 0 for an API in which engines give no token data.
        package let tokenCount: Int

        package init(name: String, request: String, reply: String, restored: String, tokenCount: Int) {
            self.name = name
            self.request = request
            self.reply = reply
            self.restored = restored
            self.tokenCount = tokenCount
        }
    }

    package let api: API
    package let profile: EngineProfile
    package let streams: [Sample]
    package let bodies: [Sample]
    private let wrap: @Sendable (any ReplyTransform) -> any ReplyTransform

    /// - Parameters:
    ///   - streams: Streams of events, each with its terminal event.
    ///   - bodies: Replies that are not streamed.
    ///   - wrap: Returns the transform to check in place of the one that the API prepares.
    package init(
        _ api: API, profile: EngineProfile, streams: [Sample], bodies: [Sample],
        wrapping wrap: @escaping @Sendable (any ReplyTransform) -> any ReplyTransform = { $0 }
    ) {
        self.wrap = wrap
        self.api = api
        self.profile = profile
        self.streams = streams
        self.bodies = bodies
    }

    package var description: String { "\(api.rawValue), \(profile)" }

    /// Returns every rule that the parser breaks.
    package func violations() throws -> [ConformanceViolation] {
        var list = ViolationList(description)
        list.check(APIRegistry.api(method: "POST", path: "/v1" + api.route) == api, "the registry finds the route")
        list.check(!streams.isEmpty && !bodies.isEmpty, "there are samples of both kinds")
        var violations = list.violations
        for sample in streams { violations += try checkStream(sample) }
        for sample in bodies { violations += try checkBody(sample) }
        return violations
    }

    private func subject(_ sample: Sample) -> String { "\(description), \"\(sample.name)\"" }

    private func transform(_ sample: Sample, goal: CaptureGoal = .tokens) throws(RequestError) -> any ReplyTransform {
        var policy = RequestPolicy()
        policy.goal = goal
        let request = try APIRegistry.request(to: api, body: Array(sample.request.utf8))
        return wrap(
            request.prepared(policy: policy, profile: profile, injectionLimits: InjectionLimits()).reply)
    }

    // MARK: Streams

    private func checkStream(_ sample: Sample) throws -> [ConformanceViolation] {
        var list = ViolationList(subject(sample))
        let reply = try transform(sample)
        let stream = Array(sample.reply.utf8)
        let whole = StreamDriver.run(reply, stream)
        let capture = whole.reply.captured()

        list.check(whole.outputText == sample.restored, "the agent receives the plain reply", whole.outputText)
        list.check(whole.reply.hasOutput, "generated output is noticed")
        checkCapture(capture, of: sample, in: &list)
        checkTerminalEvent(of: whole, stream, reply, in: &list)

        // Wherever the network cuts the stream, the result is the same.
        StreamDriver.run(reply, stream, cutInTwoAt: stream.indices) { cut, split in
            if split.output == whole.output, split.events == whole.events { return true }
            list.check(false, "a cut changes nothing", "at byte \(cut)")
            return false
        }
        let bytewise = StreamDriver.run(reply, stream, cuts: stream.indices)
        list.check(
            bytewise.output == whole.output && bytewise.reply.captured().isEqual(to: capture),
            "a stream in single bytes gives the same")

        // An unknown line in each event keeps it from being read by the template of the one before.
        let marked = StreamDriver.run(reply, Self.marked(sample.reply))
        list.check(
            marked.events == whole.events && marked.reply.captured().isEqual(to: capture),
            "an event is captured in the same way whether it is parsed or replayed")

        // Nothing is changed for an agent whose request was left alone.
        let untouched = StreamDriver.run(try transform(sample, goal: .text), sample.restored)
        list.check(
            untouched.outputText == sample.restored && untouched.events.allSatisfy { !$0.isEdited && !$0.isDropped },
            "a reply without injection passes byte for byte")

        checkForeignEvents(reply, in: &list)
        checkHostileStreams(reply, stream, in: &list)
        return list.violations
    }

    private func checkCapture(_ capture: Capture, of sample: Sample, in list: inout ViolationList) {
        let expected = sample.tokenCount > 0 ? [] : [ProblemCode.noTokenData]
        list.check(
            capture.problems == expected, "the capture is complete",
            capture.problems.map(\.rawValue).joined(separator: ", "))
        let counts = capture.choices.map { max($0.tokenIDs.count, $0.logprobValues.count) }
        list.check(counts.reduce(0, +) == sample.tokenCount, "every token is captured", "\(counts)")
        list.check(capture.areListsAligned, "lists that describe the same tokens have the same length")
        list.check(Self.isJSON(capture.response.bytes), "the recorded response is JSON")
    }

    private func checkTerminalEvent(
        of driver: StreamDriver, _ stream: [UInt8], _ reply: any ReplyTransform, in list: inout ViolationList
    ) {
        list.check(driver.events.last?.isTerminal == true, "the last event is terminal")
        list.check(
            driver.events.dropLast().allSatisfy { !$0.isTerminal }, "no event before the last one is terminal")
        let events = Self.events(stream)
        let ends = events.map { reply.isTerminal(event: $0.span) }
        list.check(
            ends == events.indices.map { $0 == events.count - 1 }, "the terminal event is recognized without reading")
        let cutOff = StreamDriver.run(reply, Array(events.dropLast().joined())).reply.captured()
        list.check(
            !cutOff.isComplete && cutOff.problems.contains(ProblemCode.streamNotTerminated),
            "a stream without its terminal event is marked", cutOff.problems.map(\.rawValue).joined(separator: ", "))
    }

    /// Events that are no part of the API.
    private func checkForeignEvents(_ reply: any ReplyTransform, in list: inout ViolationList) {
        let broken = StreamDriver.run(reply, "data: {\"choices\":[}\n\n")
        list.check(
            broken.events.allSatisfy(\.isUntouched)
                && broken.reply.captured().problems.contains(ProblemCode.unparsedEvent),
            "an event that is not JSON passes and is marked")
        for event in ["data: 7\n\n", "data: []\n\n", "data: {}\n\n", "event: x\n\n", ": comment\n\n", "data\n\n"] {
            let driver = StreamDriver.run(reply, event)
            list.check(driver.outputText == event, "a foreign event passes", event)
        }
        let error = #"data: {"error":{"message":"overloaded"}}"# + "\n\n"
        let failed = StreamDriver.run(reply, error)
        list.check(
            failed.outputText == error && !failed.errors.isEmpty && !failed.reply.captured().isComplete,
            "an error passes, is reported and makes the capture incomplete")
    }

    /// Damaged streams: the test is that nothing traps, and that lists stay aligned.
    private func checkHostileStreams(_ reply: any ReplyTransform, _ stream: [UInt8], in list: inout ViolationList) {
        var random = SmallGenerator(seed: 1)
        for _ in 0..<400 {
            var damaged = stream
            for _ in 0..<random.below(4) + 1 {
                let place = random.below(damaged.count)
                switch random.below(4) {
                case 0: damaged[place] = UInt8(random.below(256))
                case 1: damaged.remove(at: place)
                case 2: damaged.insert(contentsOf: random.pick(Self.fragments).utf8, at: place)
                default: damaged.replaceSubrange(place..<min(place + 8, damaged.count), with: [])
                }
            }
            let capture = StreamDriver.run(reply, damaged).reply.captured()
            guard capture.areListsAligned, Self.isJSON(capture.response.bytes) else {
                list.check(
                    false, "the capture of a damaged stream is well-formed", String(decoding: damaged, as: UTF8.self))
                return
            }
        }
        let deep = "data: " + String(repeating: "[", count: 5000) + "\n\n"
        list.check(StreamDriver.run(reply, deep).outputText == deep, "deep nesting passes")
    }

    private static let fragments = [
        "null", "{}", "[]", "-1e999", "NaN", "\"\"", "\\ud800", "9223372036854775807", ",", "\n", "\r\n\r\n",
        #""index":-1,"#, #""logprobs":7,"#, #""token_ids":{},"#, #""delta":[],"#, #""choices":null,"#,
    ]

    // MARK: Whole replies

    private func checkBody(_ sample: Sample) throws -> [ConformanceViolation] {
        var list = ViolationList(subject(sample))
        let reply = try transform(sample)
        let body = Array(sample.reply.utf8)
        let read = readWhole(reply, body)
        let output = String(decoding: read.output, as: UTF8.self)
        list.check(output == sample.restored, "the agent receives the plain reply", output)
        checkCapture(read.reply.captured(), of: sample, in: &list)

        let untouched = readWhole(try transform(sample, goal: .text), Array(sample.restored.utf8))
        list.check(
            untouched.output == Array(sample.restored.utf8), "a reply without injection passes byte for byte")

        for foreign in ["", "7", "[]", "not JSON", "{\"choices\":"] {
            let read = readWhole(reply, Array(foreign.utf8))
            list.check(
                read.output == Array(foreign.utf8) && read.reply.captured().problems.contains(ProblemCode.replyNotJSON),
                "a body that is no JSON object passes and is marked", foreign)
        }
        for length in body.indices {
            let read = readWhole(reply, Array(body.prefix(length)))
            guard read.output == Array(body.prefix(length)), read.reply.captured().areListsAligned else {
                list.check(false, "a truncated body passes", "\(length) bytes")
                break
            }
        }
        return list.violations
    }

    // MARK: Texts

    /// The events of a stream, each with its blank line.
    private static func events(_ stream: [UInt8]) -> [[UInt8]] {
        var events: [[UInt8]] = [[]]
        for byte in stream {
            events[events.count - 1].append(byte)
            if events[events.count - 1].suffix(2) == [0x0A, 0x0A] { events.append([]) }
        }
        return events.filter { !$0.isEmpty }
    }

    private static func marked(_ stream: String) -> [UInt8] {
        Array(events(Array(stream.utf8)).enumerated().map { Array("~: \($0)\n".utf8) + $1 }.joined())
    }

    private static func isJSON(_ text: [UInt8]) -> Bool { (try? JSONObject(document: text.span)) != nil }
}

extension Capture {
    /// Whether, in each choice, the lists that describe the same tokens have the same length or are empty.
    fileprivate var areListsAligned: Bool {
        choices.allSatisfy { choice in
            Set([choice.tokens.count, choice.tokenIDs.count, choice.logprobValues.count].filter { $0 > 0 }).count <= 1
        }
    }

    fileprivate func isEqual(to other: Capture) -> Bool {
        response.bytes == other.response.bytes && problems == other.problems && isComplete == other.isComplete
            && usage == other.usage && promptTokenIDs == other.promptTokenIDs
            && choices.count == other.choices.count
            && zip(choices, other.choices).allSatisfy { one, other in
                one.tokens == other.tokens && one.tokenIDs == other.tokenIDs
                    && one.logprobValues == other.logprobValues && one.finishReason == other.finishReason
            }
    }
}

/// The same numbers in each run.
struct SmallGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func below(_ limit: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return limit > 0 ? Int((state >> 33) % UInt64(limit)) : 0
    }

    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }
}
