import VerbatimJSON
import Testing
import VerbatimAPI
import VerbatimTesting

/// Every mark of every profile identifies that profile and no other.
@Suite struct EngineFingerprintTests {
    private func recognized(_ reply: String) -> EngineProfile? {
        EngineRecognition.profile(forReply: Array(reply.utf8).span)
    }

    @Test(arguments: [
        ("api.openai.com", EngineProfile.openAI), ("x.openai.azure.com", .azure), ("x.services.ai.azure.com", .azure),
        ("x.cognitiveservices.azure.com", .azure), ("openrouter.ai", .openRouter), ("eu.openrouter.ai", .openRouter),
        ("router.huggingface.co", .huggingFaceRouter), ("notopenrouter.ai", nil), ("huggingface.co", nil),
        ("openai.azure.com", nil), ("api.openai.com.", nil), ("xapi.openai.com", nil),
    ])
    func hosts(host: String, expected: EngineProfile?) {
        #expect(EngineRecognition.profile(forHost: host) == expected)
        #expect(EngineRecognition.profile(forHost: host.uppercased()) == expected)
    }

    @Test(arguments: [
        ("x-inference-provider", "together", EngineProfile.huggingFaceRouter),
        ("X-Inference-Provider", "", .huggingFaceRouter), ("x-compute-characters", "12", .tgi),
        ("X-Compute-Characters", "", .tgi), ("SERVER", "llama.cpp", .llamaCpp), ("server", "uvicorn", nil),
        ("x-request-id", "vllm", nil), ("x-inference-provider-x", "", nil), ("", "", nil),
    ])
    func headers(name: String, value: String, expected: EngineProfile?) {
        #expect(EngineRecognition.profile(forHeader: name, value: value) == expected)
    }

    @Test(arguments: [
        ("vllm", EngineProfile.vllm), ("sglang", .sglang), ("llamacpp", .llamaCpp), ("library", .ollama),
        ("organization_owner", .lmStudio), ("nvidia", .dynamo), ("tensorrt_llm", .tensorRTLLM), ("openai", nil),
        ("system", nil), ("openai-internal", nil), ("VLLM", nil), ("me", nil),
    ])
    func owners(owner: String, expected: EngineProfile?) {
        #expect(EngineRecognition.profile(forOwner: owner) == expected)
    }

    @Test(arguments: [
        ("vllm-0.32.0-6ab2b866", EngineProfile.vllm), ("vllm-", .vllm), ("b4711-abc", .llamaCpp),
        ("fp_ollama", .ollama),
        ("3.0.1-sha-bb9095a", .tgi), ("2.4.1-native", .tgi), ("2.4.1-dev0-sha-1", .tgi), ("3.0.1", nil),
        ("3.0-sha-1", nil), ("fp_ollamas", nil), ("fp_44709d6fcb", nil), ("2.4.1-natives", nil), ("b٣-x", nil),
    ])
    func fingerprints(fingerprint: String, expected: EngineProfile?) {
        #expect(EngineRecognition.profile(forFingerprint: fingerprint) == expected)
        #expect(recognized(#"{"system_fingerprint":"\#(fingerprint)"}"#) == expected)
    }

    @Test(arguments: [
        // Keys of a reply.
        (#"{"prompt_filter_results":[]}"#, EngineProfile.azure), (#"{"nvext":{}}"#, .dynamo),
        (#"{"sglext":null}"#, .sglang), (#"{"stats":{}}"#, .lmStudio), (#"{"timings":{}}"#, .llamaCpp),
        (#"{"prompt_token_ids":null}"#, .vllm), (#"{"kv_transfer_params":null}"#, .vllm),
        // Of a choice.
        (#"{"choices":[{"content_filter_results":{}}]}"#, .azure),
        (#"{"choices":[{"native_finish_reason":null}]}"#, .openRouter),
        (#"{"choices":[{"disaggregated_params":null}]}"#, .tensorRTLLM),
        (#"{"choices":[{"avg_decoded_tokens_per_iter":1}]}"#, .tensorRTLLM),
        (#"{"choices":[{"matched_stop":null}]}"#, .sglang), (#"{"choices":[{"response_token_ids":[]}]}"#, .sglang),
        (#"{"choices":[{"token_ids":null}]}"#, .vllm), (#"{"choices":[{"stop_reason":null}]}"#, .vllm),
        // Of an entry.
        (#"{"choices":[{"logprobs":{"content":[{"id":1,"bytes":[97]}]}}]}"#, .llamaCpp),
    ])
    func keys(reply: String, expected: EngineProfile) { #expect(recognized(reply) == expected) }

    @Test(arguments: [
        ("return_token_ids is not supported with streaming on /v1/chat/completions", EngineProfile.sglang),
        ("cannot return ids in sglext", .sglang), ("logprobs is not supported with tools + stream", .llamaCpp),
        ("Unknown parameter: 'return_token_ids'.", nil), ("logprobs is not supported", nil), ("", nil),
    ])
    func refusals(message: String, expected: EngineProfile?) {
        #expect(EngineRecognition.profile(forRefusal: #"{"error":"\#(message)"}"#) == expected)
    }

    // MARK: Whole replies, as documented

    static let replies: [(EngineProfile?, String)] = [
        (
            .vllm,
            #"{"id":"1","object":"chat.completion","choices":[{"index":0,"message":{},"logprobs":null,"finish_reason":"stop","stop_reason":null,"token_ids":null}],"usage":{},"prompt_logprobs":null,"prompt_token_ids":null,"kv_transfer_params":null}"#
        ),
        (
            .vllm,
            #"{"id":"1","choices":[{"index":0,"delta":{"role":"assistant"},"logprobs":null,"finish_reason":null}],"prompt_token_ids":[1]}"#
        ),
        (
            .sglang,
            #"{"id":"1","choices":[{"index":0,"message":{},"logprobs":null,"finish_reason":"stop","matched_stop":1,"prompt_token_ids":[1],"response_token_ids":[2]}],"metadata":{"weight_version":"default"}}"#
        ),
        // Completions of SGLang have ids under vLLM's names.
        (
            .sglang,
            #"{"id":"1","choices":[{"index":0,"text":"a","logprobs":null,"finish_reason":null,"matched_stop":null,"token_ids":[1],"prompt_token_ids":[2]}],"usage":null}"#
        ),
        (
            .tensorRTLLM,
            #"{"id":"1","choices":[{"index":0,"message":{},"logprobs":null,"finish_reason":"stop","stop_reason":null,"disaggregated_params":null}],"usage":{},"prompt_token_ids":null}"#
        ),
        (.dynamo, #"{"id":"1","choices":[{"index":0,"delta":{},"stop_reason":null}],"nvext":{"worker_id":1}}"#),
        (
            .llamaCpp,
            #"{"choices":[{"finish_reason":"stop","index":0,"message":{}}],"system_fingerprint":"b4711-a","timings":{}}"#
        ),
        (.ollama, #"{"id":"1","system_fingerprint":"fp_ollama","choices":[{"index":0,"message":{}}]}"#),
        (.tgi, #"{"id":"","system_fingerprint":"3.0.1-sha-a","choices":[{"index":0,"message":{},"logprobs":null}]}"#),
        (
            .lmStudio,
            #"{"id":"1","choices":[{"index":0,"logprobs":null,"message":{}}],"stats":{},"system_fingerprint":"m"}"#
        ),
        (
            .azure,
            #"{"choices":[{"content_filter_results":{},"index":0,"logprobs":null,"message":{}}],"prompt_filter_results":[],"system_fingerprint":"fp_1"}"#
        ),
        (
            .openRouter,
            #"{"id":"gen-1","provider":"x","choices":[{"logprobs":null,"finish_reason":"stop","native_finish_reason":"stop","index":0,"message":{}}],"system_fingerprint":""}"#
        ),
        // Plain replies identify no engine.
        (
            nil,
            #"{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a","refusal":null,"annotations":[]},"logprobs":{"content":[{"token":"a","logprob":-1,"bytes":[97],"top_logprobs":[]}],"refusal":null},"finish_reason":"stop"}],"usage":{"completion_tokens":1},"service_tier":"default","system_fingerprint":"fp_1"}"#
        ),
        (
            nil,
            #"{"id":"1","object":"text_completion","choices":[{"text":"a","index":0,"logprobs":{"tokens":["a"],"token_logprobs":[-1],"text_offset":[0],"top_logprobs":null},"finish_reason":"stop"}]}"#
        ),
        // Groq, Together
        (nil, #"{"id":"1","choices":[{"index":0,"delta":{"content":"a"}}],"x_groq":{"id":"r"}}"#),
        (nil, #"{"id":"1","prompt":[],"choices":[{"index":0,"seed":7,"message":{},"finish_reason":"eos"}]}"#),
        (nil, #"{"error":"Unexpected endpoint or method."}"#), (nil, #"{"choices":[]}"#), (nil, "{}"),
        (nil, #"{"choices":[null]}"#), (nil, #"{"choices":{},"id":1}"#), (nil, "[1]"), (nil, ""),
        // Keys of other engines at places where they identify nothing.
        (nil, #"{"choices":[{"index":0,"message":{"token_ids":1,"timings":2,"matched_stop":3}}],"usage":{"stats":1}}"#),
    ]

    @Test(arguments: replies)
    func documentedReplies(expected: EngineProfile?, reply: String) throws {
        #expect(recognized(reply) == expected)
        let read = try Exchange(profile: .generic).stream([reply]).reply
        #expect(read.recognized == expected)
    }
}
