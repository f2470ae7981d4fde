import VerbatimSchema
import Foundation
import VerbatimJSON
import TestSupport
import Testing
import VerbatimAPI
import VerbatimTesting

/// Random streams: lists that describe the same tokens have the same length, and the record is JSON.
@Suite struct AlignmentTests {
    @Test(arguments: 0..<400)
    func listsOfRandomStreamsAreAligned(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        let events = (0..<generator.int(1...12)).map { _ in Self.event(&generator) }
        let stream = Array(events.map { "data: \($0)\n\n" }.joined().utf8)
        let exchange = Exchange(
            profile: generator.pick(EngineProfile.all + [.generic]),
            api: generator.pick([API.chatCompletions, .completions]), fields: generator.pick(Self.fields))
        let detail = generator.pick(TraceDetail.allCases)
        let reply = try exchange.request(#""stream":true"#) { $0.detail = detail }.reply
        let driver = StreamDriver.run(reply, stream)
        let capture = driver.reply.captured()
        for choice in capture.choices {
            #expect(choice.isAligned, "\(choice)")
            for list in [choice.tokens, choice.tokenIDs, choice.logprobValues] {
                #expect((try decoded(list.array) as? NSArray)?.count == list.count)
            }
            if let entries = choice.logprobs {
                #expect((try decoded(entries.array) as? NSArray)?.count == entries.count)
            }
        }
        #expect(try decoded(capture.response.bytes) is NSDictionary)
        let cuts = (0..<8).map { _ in generator.int(0...stream.count) }.sorted()
        let cut = StreamDriver.run(reply, stream, cuts: cuts)
        #expect(spelled(cut.reply.captured()) == spelled(capture))
        #expect(cut.output == driver.output)
        let untouched = try exchange.request(#""stream":true"#) { $0.goal = .text }.reply
        #expect(StreamDriver.run(untouched, stream, cuts: cuts).output == stream)
        try expectThatOnlyJSONIsMadeOfJSON(driver, events)
    }

    /// Edited events are still JSON, and other events are unchanged.
    private func expectThatOnlyJSONIsMadeOfJSON(_ driver: StreamDriver, _ events: [String]) throws {
        var received = driver.outputText.split(separator: "\n\n")[...]
        for (event, seen) in zip(events, driver.events) where !seen.isDropped {
            let next = received.popFirst()
            let got = String(try #require(next))
            if seen.isRestored {
                let plain = String(got.dropFirst(6)).replacing("NaN", with: "0").replacing("-Infinity", with: "0")
                #expect(try decoded(plain) is NSDictionary, "\(event)")
            } else {
                #expect(got == "data: \(event)")
            }
        }
        #expect(received.isEmpty)
    }

    // MARK: Random requests and replies

    private static let fields = [
        "", #""n":2"#, #""logprobs":true"#, #""logprobs":2"#, #""return_token_ids":true"#, #""echo":true,"prompt":"a""#,
        #""echo":true,"prompt":[1,2]"#, #""echo":true,"prompt":["a","b"],"prompt_logprobs":1"#,
        #""return_prompt_token_ids":true"#, #""return_output_ids_in_sglext":true"#,
        #""nvext":{"extra_fields":["completion_token_ids"]}"#,
    ]

    private static func event(_ generator: inout SeededGenerator) -> String {
        var members: [String] = []
        for _ in 0..<generator.int(1...2) {
            members.append(#""choices":[\#(list(0...3, &generator, choice))]"#)
        }
        if generator.chance(20) { members.append(#""prompt_token_ids":\#(ids(&generator))"#) }
        if generator.chance(20) {
            members.append(#""usage":\#(generator.pick(["null", #"{"completion_tokens":3}"#, "NaN"]))"#)
        }
        if generator.chance(5) { members.append(#""error":\#(generator.pick(["null", #"{"code":1}"#]))"#) }
        if generator.chance(10) { members.append(#""system_fingerprint":"b1-a""#) }
        if generator.chance(20) {
            let ids = generator.pick(["null", "[]", ids(&generator), "[\(ids(&generator)),\(ids(&generator))]"])
            members.append(#""sglext":{"input_ids":\#(self.ids(&generator)),"output_ids":\#(ids)}"#)
        }
        if generator.chance(20) {
            members.append(#""nvext":{"a":1,"completion_token_ids":\#(ids(&generator))}"#)
        }
        members.shuffle(using: &generator)
        let event = "{\(members.joined(separator: generator.pick([",", " , "])))}"
        if generator.chance(85) { return event }
        return String(decoding: Array(event.utf8).prefix(generator.int(0...event.utf8.count)), as: UTF8.self)
    }

    private static func choice(_ generator: inout SeededGenerator) -> String {
        var members = [
            #""delta":\#(generator.pick(["{}", "null", #"{"content":"é"}"#, #"{"tool_calls":[{"function":{"name":"f"}}]}"#]))"#
        ]
        if generator.chance(90) { members.append(#""index":\#(generator.int(0...2))"#) }
        if generator.chance(70) { members.append(#""token_ids":\#(ids(&generator))"#) }
        if generator.chance(70) { members.append(#""logprobs":\#(logprobs(&generator))"#) }
        if generator.chance(10) { members.append(#""logprobs":\#(logprobs(&generator))"#) }
        if generator.chance(30) { members.append(#""text":\#(generator.pick([#""""#, #""a""#, "null", "1"]))"#) }
        for key in ["response_token_ids", "prompt_token_ids", "prompt_logprobs"] where generator.chance(15) {
            members.append(#""\#(key)":\#(ids(&generator))"#)
        }
        if generator.chance(20) { members.append(#""finish_reason":\#(generator.pick(["null", #""stop""#]))"#) }
        members.shuffle(using: &generator)
        return generator.chance(95) ? "{\(members.joined(separator: ","))}" : generator.pick(["null", "[]", "7"])
    }

    private static func ids(_ generator: inout SeededGenerator) -> String {
        if generator.chance(10) { return "null" }
        return "[\(list(0...4, &generator) { $0.pick(["1", "22", "333", "null", "[]", #""x""#, "1.5", "NaN"]) })]"
    }

    private static func logprobs(_ generator: inout SeededGenerator) -> String {
        if generator.chance(10) { return "null" }
        if generator.chance(40) { return lists(&generator) }
        let name = generator.pick(["content", "content", "content", "refusal"])
        return #"{"\#(name)":[\#(list(0...4, &generator, entry))],"x":[null]}"#
    }

    private static func lists(_ generator: inout SeededGenerator) -> String {
        let tokens = list(0...4, &generator) { $0.pick([#""a""#, #""""#, "null"]) }
        let values = list(0...4, &generator) { $0.pick(["-1.0", "0", "NaN", "null", "-9999.0"]) }
        return #"{"token_logprobs":[\#(values)],"tokens":[\#(tokens)],"text_offset":[0],"top_logprobs":null}"#
    }

    private static func entry(_ generator: inout SeededGenerator) -> String {
        var members: [String] = []
        if generator.chance(90) {
            members.append(#""token":\#(generator.pick([#""a""#, #""token_id:5""#, "null", #""\ud83d\ude42""#]))"#)
        }
        if generator.chance(90) {
            members.append(#""logprob":\#(generator.pick(["-1.0", "0", "NaN", "null", "-9999.0", "-1e-5"]))"#)
        }
        if generator.chance(30) { members.append(#""id":\#(generator.int(0...9))"#) }
        if generator.chance(30) { members.append(#""top_logprobs":[{"logprob":-Infinity}]"#) }
        members.shuffle(using: &generator)
        return generator.chance(95) ? "{\(members.joined(separator: ","))}" : "null"
    }

    private static func list(
        _ count: ClosedRange<Int>, _ generator: inout SeededGenerator, _ element: (inout SeededGenerator) -> String
    ) -> String {
        (0..<generator.int(count)).map { _ in element(&generator) }.joined(separator: ",")
    }
}
