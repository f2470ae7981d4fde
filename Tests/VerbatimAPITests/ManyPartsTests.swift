import Testing
import VerbatimAPI
import VerbatimJSON
import VerbatimSchema

/// Replies with very many parts: each is found without a search through all others.
@Suite struct ManyPartsTests {
    private func captured(_ events: [String], api: API = .chatCompletions) throws -> Capture {
        var reply = try prepare(#"{"model":"m","stream":true}"#, api: api) { $0.goal = .text }.reply
        for event in events {
            let bytes = Array("data: \(event)\n\n".utf8)
            #expect(reply.read(event: bytes.span) != .drop)
        }
        return reply.captured()
    }

    private func members(of json: [UInt8]) throws -> [String] {
        let object = try #require(try JSONObject(document: json.span))
        return object.members.map { $0.key.decoded(in: json.span) }
    }

    @Test("Of very many fields the first are kept, and the record says so")
    func deltaFields() throws {
        let delta = (0..<3000).map { #""f\#($0)":"x""# }.joined(separator: ",")
        let event = #"{"choices":[{"index":0,"delta":{\#(delta)}}]}"#
        let capture = try captured([event, event])
        #expect(capture.problems.contains(.tooManyFields))
        #expect(!capture.isComplete)
        let text = String(decoding: capture.response.bytes, as: UTF8.self)
        #expect(text.contains(#""f0":"xx","f1":"xx""#) && text.contains(#""f1023":"xx""#))
        #expect(!text.contains(#""f1024""#))
    }

    @Test("Fields beyond the first few are found again, and keep their order", arguments: [1, 16, 17, 40, 1024])
    func fieldsAreFound(count: Int) throws {
        func event(_ order: some Sequence<Int>) -> String {
            #"{"choices":[{"index":0,"delta":{\#(order.map { #""f\#($0)":"\#($0 % 10)""# }.joined(separator: ","))}}]}"#
        }
        let capture = try captured([event(0..<count), event((0..<count).reversed())])
        #expect(!capture.problems.contains(.tooManyFields))
        let text = String(decoding: capture.response.bytes, as: UTF8.self)
        let expected = (0..<count).map { #""f\#($0)":"\#($0 % 10)\#($0 % 10)""# }.joined(separator: ",")
        #expect(text.contains(expected))
    }

    @Test("Fields of the reply itself are limited as well")
    func envelopeFields() throws {
        let fields = (0..<3000).map { #""f\#($0)":\#($0)"# }.joined(separator: ",")
        let capture = try captured([#"{"choices":[{"index":0,"delta":{"content":"a"}}],\#(fields)}"#])
        #expect(capture.problems.contains(.tooManyFields))
        #expect(!String(decoding: capture.response.bytes, as: UTF8.self).contains("f2999"))
    }

    @Test("Choices in any order are kept apart")
    func choices() throws {
        let order = (0..<400).map { $0 * 7 % 400 }
        let events = (0..<2).flatMap { round in
            order.map { #"{"choices":[{"index":\#($0),"delta":{"content":"\#($0)\#(round == 0 ? "a" : "b")"}}]}"# }
        }
        let capture = try captured(events)
        let text = String(decoding: capture.response.bytes, as: UTF8.self)
        for index in [0, 1, 7, 399] { #expect(text.contains(#""content":"\#(index)a\#(index)b""#)) }
    }

    @Test("Tool calls with any indices are kept apart")
    func toolCalls() throws {
        let order = (0..<2000).map { $0 * 7 % 2000 }
        func event(_ index: Int, _ text: String) -> String {
            #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":\#(index),"function":{\#(text)}}]}}]}"#
        }
        let capture = try captured(
            order.map { event($0, #""name":"t\#($0)","arguments":"a""#) } + order.map { event($0, #""arguments":"b""#) }
        )
        let text = String(decoding: capture.response.bytes, as: UTF8.self)
        for index in [0, 1, 1999] { #expect(text.contains(#"{"name":"t\#(index)","arguments":"ab"}"#)) }
    }

    @Test("Items and parts of a response with any indices are kept apart", arguments: [true, false])
    func responseItems(hasIndex: Bool) throws {
        let events = (0..<2).flatMap { round in
            (0..<600).map { place in
                let item = place / 3 * 7 % 200
                let name = hasIndex ? #""output_index":\#(item)"# : #""item_id":"i\#(item)""#
                return #"{"type":"response.output_text.delta",\#(name),"content_index":\#(place % 3),"#
                    + #""delta":"\#(item).\#(place % 3)\#(round == 0 ? "a" : "b")"}"#
            }
        }
        let capture = try captured(events, api: .responses)
        let text = String(decoding: capture.response.bytes, as: UTF8.self)
        for item in [0, 7, 199] {
            #expect(text.contains(#"{"type":"output_text","text":"\#(item).2a\#(item).2b"}"#))
        }
    }
}
