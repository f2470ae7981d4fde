import TestSupport
import VerbatimSchema
import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimTesting

/// NVIDIA Dynamo and TensorRT-LLM, after their issues and pull requests.
@Suite struct DocumentedDynamoTests {
    private static func chunk(_ delta: String, _ tokens: [String] = [], end: String = "null", _ rest: String = "")
        -> String
    {
        let entries = tokens.map { #"{"token":"\#($0)","logprob":-0.5,"bytes":null,"top_logprobs":[]}"# }
        let logprobs = tokens.isEmpty ? "null" : #"{"content":[\#(entries.joined(separator: ","))],"refusal":null}"#
        return #"{"id":"1","choices":[{"index":0,"delta":\#(delta),"finish_reason":\#(end),"logprobs":\#(logprobs)}],"#
            + #""created":1,"model":"m","object":"chat.completion.chunk","usage":null\#(rest)}"#
    }

    private func stream(_ rest: String, fields: String = "") throws -> StreamDriver {
        try Exchange(profile: .dynamo, fields: fields).stream([
            Self.chunk(#"{"content":"a"}"#, ["a"]), Self.chunk(#"{"content":"b"}"#, ["b"]),
            Self.chunk("{}", end: #""stop""#, rest),
        ])
    }

    @Test(arguments: [
        (#","nvext":{"completion_token_ids":[5,6]}"#, ""),
        // Other members, and requested ones, are kept.
        (#","nvext":{"worker_id":1,"completion_token_ids":[5,6]}"#, #","nvext":{"worker_id":1}"#),
        (#","nvext":{"completion_token_ids":[5,6],"timing":{"a":[1]}}"#, #","nvext":{"timing":{"a":[1]}}"#),
    ])
    func documentedIDsInTheLastChunk(sent: String, received: String) throws {
        let driver = try stream(sent)
        #expect(
            driver.outputText
                == streamText([
                    Self.chunk(#"{"content":"a"}"#), Self.chunk(#"{"content":"b"}"#),
                    Self.chunk("{}", end: #""stop""#, received),
                ]))
        let capture = driver.reply.captured()
        #expect(capture.choices.first?.idsText == "5,6" && capture.level == .tokens && capture.isComplete)
    }

    @Test func documentedRequestedExtensionsAreKept() throws {
        let own = #""nvext":{"extra_fields":["engine_data"]}"#
        let request = try Exchange(profile: .dynamo, fields: own).request("")
        #expect(
            request.bodyText
                == #"{"nvext":{"extra_fields":["engine_data","completion_token_ids"]},"logprobs":true,"top_logprobs":5}"#
        )
        let data = #""engine_data":{"completion_token_ids":[5,6],"completion_logprobs":[-1,-2]}"#
        let driver = try stream(#","nvext":{\#(data),"completion_token_ids":[5,6]}"#, fields: own)
        #expect(driver.outputText.contains(#","nvext":{\#(data)}}"#))
        // Requested ids are captured and kept.
        let ids = #""nvext":{"extra_fields":["completion_token_ids"]}"#
        let asked = try stream(#","nvext":{"completion_token_ids":[5,6]}"#, fields: ids)
        #expect(asked.outputText.contains(#","nvext":{"completion_token_ids":[5,6]}}"#))
        #expect(asked.reply.captured().choices.first?.idsText == "5,6")
    }

    /// A chunk that holds only the extension is dropped if all of it was injected.
    @Test func documentedIDsInASeparateChunk() throws {
        func chunk(_ nvext: String) -> String { #"{"id":"1","choices":[],"nvext":{\#(nvext)}}"# }
        let ids = #""completion_token_ids":[5]"#
        let driver = try Exchange(profile: .dynamo).stream([
            Self.chunk(#"{"content":"a"}"#), chunk(ids), chunk(#""timing":1,\#(ids)"#), chunk(#""timing":1"#),
        ])
        #expect(
            driver.outputText
                == streamText([Self.chunk(#"{"content":"a"}"#), chunk(#""timing":1"#), chunk(#""timing":1"#)]))
    }

    /// 566 log-probabilities with 565 ids were seen. It is not known which belong together.
    @Test func documentedMismatch() throws {
        let entries = (0..<566).map { "t\($0)" }
        let ids = (0..<565).map(String.init).joined(separator: ",")
        let capture = try Exchange(profile: .dynamo).stream([
            Self.chunk(#"{"content":"a"}"#, entries),
            Self.chunk("{}", end: #""stop""#, #","nvext":{"completion_token_ids":[\#(ids)]}"#),
        ]).reply.captured()
        let choice = try #require(capture.choices.first)
        #expect(choice.tokenIDs.count == 565 && choice.isAligned && choice.logprobs?.count == 566)
        #expect(choice.valuesText.allSatisfy { "nul,".contains($0) })
        #expect(capture.level == .ids && capture.problems == ["ids_logprobs_mismatch"] && !capture.isComplete)
    }

    @Test func documentedWholeReply() throws {
        let body =
            #"{"id":"1","choices":[{"index":0,"message":{"content":"a","role":"assistant"},"finish_reason":"stop","logprobs":%}],"usage":{"completion_tokens":1}@}"#
        let entries = #"{"content":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[]}],"refusal":null}"#
        let sent = body.replacing("%", with: entries).replacing("@", with: #","nvext":{"completion_token_ids":[5]}"#)
        let (output, capture, _) = try Exchange(profile: .dynamo).whole(sent)
        #expect(output == body.replacing("%", with: "null").replacing("@", with: ""))
        #expect(capture.level == .tokens && capture.isComplete)
    }

    /// Ids that the backend sends because the agent asked for them are kept.
    @Test func documentedIDsOfTheBackend() throws {
        let event = #"{"choices":[{"index":0,"delta":{"content":"a"},"token_ids":[5]}],"prompt_token_ids":[1]}"#
        let driver = try Exchange(profile: .dynamo, fields: #""return_token_ids":true"#).stream([event])
        #expect(driver.outputText == streamText([event]))
    }

    // MARK: TensorRT-LLM

    static let refusal =
        #"{"object":"error","message":"[{'type': 'extra_forbidden', 'loc': ('body', 'return_token_ids'), "#
        + #"'msg': 'Extra inputs are not permitted', 'input': True}]","type":"BadRequestError","param":null,"code":400}"#

    @Test func documentedRefusalOfUnknownFields() throws {
        let next = try #require(try injectionLimits(after: 400, Self.refusal, profile: .generic))
        #expect(next.logprobs && !next.tokenIDs)
        #expect(
            try prepare("{}", profile: .generic, injectionLimits: next).bodyText
                == #"{"logprobs":true,"top_logprobs":5}"#)
        // Once the engine is known, it is not asked for ids.
        #expect(try Exchange(profile: .tensorRTLLM).request("").bodyText == #"{"logprobs":true,"top_logprobs":5}"#)
        let top = Self.refusal.replacing("return_token_ids", with: "top_logprobs")
        #expect(try injectionLimits(after: 400, top, profile: .tensorRTLLM) == .nothing)
    }

    /// Without detokenizing, its completions have the keys of vLLM's but are still recognized.
    @Test func documentedCompletionOfIDs() throws {
        let body =
            #"{"id":"1","object":"text_completion","model":"m","choices":[{"index":0,"text":"","token_ids":[5,6],"logprobs":null,"#
            + #""finish_reason":"stop","stop_reason":null,"disaggregated_params":null}],"usage":{"completion_tokens":2},"#
            + #""prompt_token_ids":[[1,2]]}"#
        #expect(EngineRecognition.profile(forReply: Array(body.utf8).span) == .tensorRTLLM)
        let exchange = Exchange(profile: .tensorRTLLM, api: .completions, fields: #""detokenize":false"#)
        let (output, capture, _) = try exchange.whole(body)
        #expect(output == body)
        #expect(capture.choices.first?.idsText == "5,6" && capture.level == .ids)
    }
}
