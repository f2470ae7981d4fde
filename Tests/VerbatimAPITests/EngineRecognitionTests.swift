import TestSupport
import Testing
import VerbatimAPI
import VerbatimTesting

/// The recognition of an engine by what it sends anyway.
@Suite struct EngineRecognitionTests {
    @Test(arguments: [
        ("api.openai.com", EngineProfile.openAI), ("API.OpenAI.com", .openAI), ("me.openai.azure.com", .azure),
        ("openai.com.evil.net", nil), ("notopenai.azure.com", nil), ("localhost", nil), ("127.0.0.1", nil), ("", nil),
    ])
    func byHost(host: String, expected: EngineProfile?) {
        #expect(EngineRecognition.profile(forHost: host) == expected)
    }

    @Test(arguments: [
        ("llama.cpp", EngineProfile.llamaCpp), ("Llama.cpp/b4711", .llamaCpp), ("uvicorn", nil), ("", nil),
        ("nginx", nil),
    ])
    func byServerHeader(server: String, expected: EngineProfile?) {
        #expect(EngineRecognition.profile(forHeader: "Server", value: server) == expected)
    }

    @Test(arguments: [
        ("vllm", EngineProfile.vllm), ("llamacpp", .llamaCpp), ("openai", nil), ("system", nil),
        ("sglang", .sglang),
        ("library", .ollama), ("", nil),
    ])
    func byOwner(owner: String, expected: EngineProfile?) {
        #expect(EngineRecognition.profile(forOwner: owner) == expected)
    }

    @Test(arguments: [
        ("vllm-0.32.0-6ab2b866", EngineProfile.vllm), ("b4711-abcdef", .llamaCpp), ("b0-unknown", .llamaCpp),
        ("fp_44709d6fcb", nil),
        ("b-abc", nil), ("b12", nil), ("bx-1", nil), ("b1x-1", nil), ("vllm", nil), ("", nil), ("-", nil),
    ])
    func byFingerprint(fingerprint: String, expected: EngineProfile?) {
        #expect(EngineRecognition.profile(forFingerprint: fingerprint) == expected)
    }

    @Test func byRefusal() throws {
        let sample = try #require(WireSample.named("chat_stream_tools_auto", in: "llamacpp"))
        let message = String(decoding: sample.response.body, as: UTF8.self)
        #expect(EngineRecognition.profile(forRefusal: message) == .llamaCpp)
        #expect(EngineRecognition.profile(forRefusal: "logprobs is not supported") == nil)
    }

    @Test func recordedModelListsIdentifyTheEngine() throws {
        for sample in WireSample.all where sample.name == "models" {
            let owner = try #require(
                String(decoding: sample.response.body, as: UTF8.self).firstMatch(of: /"owned_by":"(.*?)"/))
            #expect(EngineRecognition.profile(forOwner: String(owner.1)) == sample.engine, "\(sample)")
        }
    }

    /// Each recorded reply identifies the right engine or none.
    @Test(arguments: WireSample.choiceReplies)
    func byReply(sample: WireSample) throws {
        let reply = try injectedReply(.generic)
        let read =
            sample.response.isEventStream
            ? StreamDriver.run(reply, sample.response.body).reply : readWhole(reply, sample.response.body).reply
        #expect(read.recognized == sample.engine)
    }

    /// Responses of vLLM identify it, streamed or not.
    @Test(arguments: WireSample.all.filter { $0.request.path == "/v1/responses" && $0.response.status == 200 })
    func byResponses(sample: WireSample) throws {
        let reply = try prepareResponse("{}", profile: .generic).reply
        let read =
            sample.response.isEventStream
            ? StreamDriver.run(reply, sample.response.body).reply : readWhole(reply, sample.response.body).reply
        // llama.cpp is recognized by the last event of a stream, and by its `Server` header at once.
        let others: [EngineProfile?] = [nil, .llamaCpp]
        #expect(sample.isVLLM ? read.recognized == .vllm : others.contains(read.recognized))
    }

    @Test(arguments: [
        #"{"choices":[{"index":0,"delta":{"content":"a"}}],"system_fingerprint":"fp_1"}"#,
        #"{"choices":[{"index":0,"delta":{},"logprobs":{"content":[{"token":"a","logprob":-1,"bytes":[97]}]}}]}"#,
        #"{"choices":[{"index":0,"delta":{},"logprobs":{"content":[{"token":"token_id:5","logprob":-1}]}}]}"#,
        #"{"system_fingerprint":null}"#, #"{"system_fingerprint":7}"#, "[]", "null",
    ])
    func otherRepliesAreNotRecognized(event: String) throws {
        #expect(StreamDriver.run(try injectedReply(.generic), events: [event]).reply.recognized == nil)
    }

    @Test func engineMayBeRecognizedLater() throws {
        let event = #"{"choices":[{"index":0,"delta":{"content":"a"},"logprobs":{"content":[]}}]}"#
        var reply = try injectedReply(.generic)
        #expect(StreamDriver.run(reply, events: [event]).outputText.contains(#""logprobs":null"#))
        reply.use(.llamaCpp)
        #expect(!StreamDriver.run(reply, events: [event]).outputText.contains("logprobs"))
    }

    @Test func recognitionDoesNotOverruleAChosenProfile() throws {
        let event =
            #"{"system_fingerprint":"b1-x","choices":[{"index":0,"delta":{"content":"a"},"logprobs":{"content":[]}}]}"#
        let chosen = StreamDriver.run(try injectedReply(.openAI), events: [event])
        #expect(chosen.outputText.contains(#""logprobs":null"#))
        let recognized = StreamDriver.run(try injectedReply(.generic), events: [event])
        #expect(!recognized.outputText.contains("logprobs"))
    }
}
