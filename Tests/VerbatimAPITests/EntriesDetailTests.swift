import Foundation
import TestSupport
import Testing
import VerbatimAPI
import VerbatimJSON
import VerbatimTesting

/// `--trace-detail entries`: a record has the log-probability entries once, in `logprobs`.
@Suite struct EntriesDetailTests {
    // MARK: Recorded replies

    /// Nothing but the entries is missing, and what is missing in the response is in `logprobs`.
    @Test(arguments: WireSample.choiceReplies)
    func repliesWithChoices(sample: WireSample) throws {
        for own in [false, true] {
            func reply(_ detail: TraceDetail) throws -> any ReplyTransform {
                try own ? sample.ownReply(detail: detail) : sample.injectedReply(detail: detail)
            }
            let full = captured(sample, try reply(.full))
            let once = captured(sample, try reply(.entries))
            #expect(spelled(once).dropFirst() == spelled(full).dropFirst())
            var removed: [Int: [NSObject]] = [:]
            let expected = try Self.withoutEntries(decoded(full.response.bytes)) { choice, entries in
                removed[choice["index"] as? Int ?? 0, default: []] += entries
            }
            #expect(try decoded(once.response.bytes) == expected)
            for choice in once.choices {
                let kept = try choice.logprobs.map { try decoded($0.array) }
                #expect(kept ?? NSArray() == (removed[choice.index] ?? []) as NSArray)
            }
            #expect(restored(sample, try reply(.entries)) == restored(sample, try reply(.full)))
        }
    }

    /// The entries that end a stream have `bytes`, which those of its deltas lack, so that they are the ones to keep.
    @Test(arguments: WireSample.answeredResponses)
    func responses(sample: WireSample) throws {
        for own in [false, true] {
            func reply(_ detail: TraceDetail) throws -> any ReplyTransform {
                try own ? sample.ownResponse(detail: detail) : sample.injectedResponse(detail: detail)
            }
            let full = captured(sample, try reply(.full))
            let once = captured(sample, try reply(.entries))
            #expect(spelled(once).dropFirst().dropLast() == spelled(full).dropFirst().dropLast())
            var removed: [NSObject] = []
            let expected = try Self.withoutEntries(ofResponse: decoded(full.response.bytes)) { removed += $0 }
            #expect(try decoded(once.response.bytes) == expected)
            let kept = try once.choices[0].logprobs.map { try decoded($0.array) } ?? NSArray()
            #expect(kept == removed as NSArray)
            let deltas = try full.choices[0].logprobs.map { try decoded($0.array) } ?? NSArray()
            #expect(Self.without("bytes", kept) == Self.without("bytes", deltas))
            #expect(restored(sample, try reply(.entries)) == restored(sample, try reply(.full)))
        }
    }

    @Test(arguments: WireSample.replies.filter { $0.api == .messages })
    func messages(sample: WireSample) throws {
        func reply(_ detail: TraceDetail) throws -> any ReplyTransform {
            try prepare(sample.requestText, api: .messages, profile: sample.profile) { $0.detail = detail }.reply
        }
        #expect(spelled(captured(sample, try reply(.entries))) == spelled(captured(sample, try reply(.full))))
    }

    /// The samples test something only if most of them have entries, in each way.
    @Test func recordedEntriesExist() throws {
        func count(_ samples: [WireSample]) -> Int {
            samples.count {
                $0.bodyText.contains(#""top_logprobs": [{"#) || $0.bodyText.contains(#""top_logprobs":[{"#)
            }
        }
        #expect(count(WireSample.wholeChoices) > 10 && count(WireSample.choiceStreams) > 10)
        #expect(count(WireSample.answeredResponses) > 1)
    }

    // MARK: Objects in other forms

    private static let one = #"{"token":"a","logprob":-1,"top_logprobs":[{"token":"b","logprob":-2}]}"#
    private static let two = #"{"token":"c","logprob":-3,"top_logprobs":[]}"#
    private static let lists = #""tokens":["a"],"token_logprobs":[-1],"token_ids":[7]"#

    /// What the object `logprobs` of a body is in the record's `response`, and what is in the field `logprobs`.
    @Test(arguments: [
        (#"{"content":[\#(one),\#(two)],"refusal":null}"#, "null", "\(one),\(two)"),
        (#"{"content":[\#(one)]}"#, "null", one),
        (#"{"refusal":[], "content": [\#(one)]}"#, "null", one),
        (#"{"content":null,"reasoning_content":[\#(one)]}"#, "null", one),
        (#"{"reasoning_content":[\#(one)],"content":[\#(two)]}"#, "null", "\(one),\(two)"),
        (#"{"content":[\#(two)],"reasoning_content":[\#(one)]}"#, "null", "\(one),\(two)"),
        // Entries of a refusal are nowhere else.
        (#"{"content":[\#(one)],"refusal":[\#(two)]}"#, #"{"content":null,"refusal":[\#(two)]}"#, one),
        (#"{"content":null,"refusal":[\#(two)]}"#, #"{"content":null,"refusal":[\#(two)]}"#, nil),
        // Together's ids and other lists are in the response alone.
        (#"{"content":[\#(one)],\#(lists)}"#, #"{"content":null,\#(lists)}"#, one),
        (#"{\#(lists),"content":[\#(one)],"x":{}}"#, #"{\#(lists),"content":null,"x":{}}"#, one),
        (#"{\#(lists),"top_logprobs":[{"a":-1}]}"#, #"{\#(lists),"top_logprobs":[{"a":-1}]}"#, nil),
        (#"{"content":[\#(one)],"x":0}"#, #"{"content":null,"x":0}"#, one),
        (#"{"content":[],"refusal":null}"#, #"{"content":[],"refusal":null}"#, ""),
        (#"{"content":{"a":1}}"#, #"{"content":{"a":1}}"#, nil),
        ("null", "null", nil), ("[]", "[]", nil),
    ])
    func objects(logprobs: String, recorded: String, entries: String?) throws {
        func body(_ logprobs: String) -> String {
            let choice = #"{"index":0,"message":{"content":"ac"},"logprobs":\#(logprobs),"finish_reason":"stop"}"#
            return #"{"id":"x","choices":[\#(choice)],"usage":null}"#
        }
        let capture = try Exchange(profile: .generic).whole(body(logprobs)).capture
        #expect(capture.responseText == body(recorded))
        #expect(capture.choices[0].logprobs.map { String(decoding: $0.rope.bytes, as: UTF8.self) } == entries)
    }

    /// A stream's response is the same as that of a body.
    @Test(arguments: [
        (#"{"content":[\#(one)]}"#, "null"), (#"{"content":null,"reasoning_content":[\#(one)]}"#, "null"),
        (#"{"content":[\#(one)],"refusal":[\#(two)]}"#, #"{"content":null,"refusal":[\#(two)]}"#),
        (#"{"content":null,"refusal":[\#(two)]}"#, #"{"content":null,"refusal":[\#(two)]}"#),
        (#"{"content":[]}"#, #"{"content":[]}"#), ("null", "null"),
    ])
    func objectsOfStreams(logprobs: String, recorded: String) throws {
        let event = #"{"id":"x","choices":[{"index":0,"delta":{"content":"a"},"logprobs":\#(logprobs)}]}"#
        let capture = try Exchange(profile: .generic).stream([event]).reply.captured()
        #expect(capture.responseText.contains(#","logprobs":\#(recorded)}]"#))
    }

    /// Each choice keeps its own entries.
    @Test func severalChoices() throws {
        func choice(_ index: Int, _ logprobs: String) -> String {
            #"{"index":\#(index),"message":{"content":"a"},"logprobs":\#(logprobs),"finish_reason":"stop"}"#
        }
        func entries(_ entry: String) -> String { #"{"content":[\#(entry)],"refusal":null}"# }
        let body = #"{"choices":[\#(choice(1, entries(Self.two))), \#(choice(0, entries(Self.one)))]}"#
        let capture = try Exchange(profile: .generic, fields: #""n":2"#).whole(body).capture
        #expect(capture.responseText == #"{"choices":[\#(choice(1, "null")), \#(choice(0, "null"))]}"#)
        let kept = capture.choices.map { $0.logprobs.map { String(decoding: $0.rope.bytes, as: UTF8.self) } }
        #expect(kept == [Self.one, Self.two])
    }

    // MARK: Ends of streamed responses

    private static let delta = #"{"token":"a","logprob":-1,"top_logprobs":[{"token":"b","logprob":-2}]}"#
    private static let end =
        #"{"token":"a","bytes":[97],"logprob":-1,"top_logprobs":[{"token":"b","bytes":[98],"logprob":-2}]}"#

    private static func responseEvents(_ delta: String, _ end: String) -> [String] {
        let part = #"{"type":"output_text","text":"a","logprobs":[\#(end)]}"#
        let response =
            #"{"id":"r","object":"response","output":[{"type":"message","id":"m","content":[\#(part)]}],"status":"completed"}"#
        return [
            #"{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"a","logprobs":[\#(delta)]}"#,
            #"{"type":"response.completed","response":\#(response)}"#,
        ]
    }

    /// What differs from the deltas stays in the response, so that both are known.
    @Test(arguments: [
        (end, true), (delta, true),
        (end.replacing(#""logprob":-1"#, with: #""logprob":-1.5"#), false),
        (end.replacing(#""token":"a""#, with: #""token":"z""#), false),
        (end.replacing(#"[{"token":"b","bytes":[98],"logprob":-2}]"#, with: "[]"), false),
        ("\(end),\(end)", false), ("", false),
    ])
    func endsOfResponses(end: String, isMoved: Bool) throws {
        let stream = responseStream(Self.responseEvents(Self.delta, end))
        let capture = StreamDriver.run(try injectedResponse(), stream).reply.captured()
        let kept = capture.choices[0].logprobs.map { String(decoding: $0.rope.bytes, as: UTF8.self) }
        #expect(kept == (isMoved ? end : Self.delta))
        #expect(capture.responseText.contains(#""logprobs":\#(isMoved ? "null" : "[\(end)]")}"#))
    }

    /// A stream that was cut off before its end has the items that were done.
    @Test func responsesCutOff() throws {
        let item =
            #"{"type":"response.output_item.done","output_index":0,"item":{"type":"message","id":"m","content":[{"type":"output_text","text":"a","logprobs":[\#(Self.end)]}]}}"#
        let stream = responseStream([Self.responseEvents(Self.delta, "")[0], item])
        let capture = StreamDriver.run(try injectedResponse(), stream).reply.captured()
        #expect(capture.choices[0].logprobs.map { String(decoding: $0.rope.bytes, as: UTF8.self) } == Self.end)
        #expect(capture.responseText.contains(#""text":"a","logprobs":null}"#))
    }

    // MARK: An independent implementation

    /// A reply without the entries of its choices.
    private static func withoutEntries(
        _ reply: NSObject, removed: (_ choice: [String: NSObject], _ entries: [NSObject]) -> Void
    ) -> NSObject {
        guard var object = reply as? [String: NSObject], let choices = object["choices"] as? [[String: NSObject]] else {
            return reply
        }
        object["choices"] =
            choices.map { choice in
                var choice = choice
                guard var logprobs = choice["logprobs"] as? [String: NSObject] else { return choice }
                var isFound = false
                for key in ["reasoning_content", "content"] {
                    guard let list = logprobs[key] as? [NSObject], !list.isEmpty else { continue }
                    removed(choice, list)
                    logprobs[key] = NSNull()
                    isFound = true
                }
                let isNull = logprobs.values.allSatisfy { $0 is NSNull || $0 == NSArray() }
                if isFound { choice["logprobs"] = isNull ? NSNull() : logprobs as NSDictionary }
                return choice
            } as NSArray
        return object as NSDictionary
    }

    /// A response without the entries of its parts.
    private static func withoutEntries(ofResponse value: NSObject, removed: ([NSObject]) -> Void) -> NSObject {
        if let list = value as? [NSObject] {
            return list.map { withoutEntries(ofResponse: $0, removed: removed) } as NSArray
        }
        guard var object = value as? [String: NSObject] else { return value }
        for key in ["output", "content"] where object[key] is NSArray {
            object[key] = object[key].map { withoutEntries(ofResponse: $0, removed: removed) }
        }
        if let entries = object["logprobs"] as? [NSObject], !entries.isEmpty {
            removed(entries)
            object["logprobs"] = NSNull()
        }
        return object as NSDictionary
    }

    private static func without(_ key: String, _ value: NSObject) -> NSObject {
        if let list = value as? [NSObject] { return list.map { without(key, $0) } as NSArray }
        guard let object = value as? [String: NSObject] else { return value }
        return object.filter { $0.key != key }.mapValues { without(key, $0) } as NSDictionary
    }
}
