import VerbatimJSON
import TestSupport
import Testing
import VerbatimAPI
import VerbatimTesting

/// Errors that reject the injection, and the next attempt.
@Suite struct InjectionRejectionTests {
    enum Next: Equatable {
        case giveUp, nothing, withoutTokenIDs
        case atMost(Int)
    }

    static func injection(_ top: Int? = 5, ids: Bool = true) -> Injection {
        var injection = Injection()
        injection.topLogprobs = top
        if ids { injection.ids = [.flag("return_token_ids")] }
        return injection
    }

    private func next(
        _ status: Int, _ body: String, _ injection: Injection = injection(),
        injectionLimits: InjectionLimits = InjectionLimits()
    ) throws -> Next {
        let next = InjectionRejection.injectionLimits(
            afterStatus: status, body: Array(body.utf8).span, injection: injection, injectionLimits: injectionLimits)
        guard let next else { return .giveUp }
        if next == .nothing { return .nothing }
        if !next.tokenIDs {
            #expect(next.logprobs && next.maximumTopLogprobs == injectionLimits.maximumTopLogprobs)
            return .withoutTokenIDs
        }
        #expect(next.logprobs && next.tokenIDs == injectionLimits.tokenIDs)
        return .atMost(try #require(next.maximumTopLogprobs))
    }

    private static func nested(_ message: String, code: Int = 400, param: String? = nil) -> String {
        let param = param.map { "\"\($0)\"" } ?? "null"
        return #"{"error":{"message":"\#(message)","type":"invalid_request_error","param":\#(param),"code":\#(code)}}"#
    }

    private static func flat(_ message: String) -> String {
        #"{"object":"error","message":"\#(message)","type":"BadRequestError","param":null,"code":400}"#
    }

    // MARK: Refusals

    static let refused: [(Int, String, Next)] = [
        (
            403, #"{"error":{"message":"You are not allowed to request logprobs from this model","code":null}}"#,
            .nothing
        ),
        (
            400, nested("Unsupported parameter: 'logprobs' is not supported with this model.", param: "logprobs"),
            .nothing
        ),
        (400, nested("Unrecognized request argument supplied: return_token_ids"), .withoutTokenIDs),
        (400, nested("Unknown parameter: 'return_token_ids'.", param: "return_token_ids"), .withoutTokenIDs),
        (400, nested("This model does not support the 'logprobs' parameter."), .nothing),
        (400, nested("Unrecognized request argument supplied: logprobs"), .nothing),
        (400, nested("Unrecognized request arguments supplied: logprobs, top_logprobs"), .nothing),
        (400, nested("`logprobs` is not supported with this model"), .nothing),
        (400, nested("5 is greater than the maximum of 1 - 'logprobs'"), .atMost(1)),
        (
            400,
            #"[{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \"logprobs\": Cannot find field."}}]"#,
            .nothing
        ),
        (400, "Logprobs is not enabled for models/gemini-2.5-pro", .nothing),
        (400, nested("Gaudi doesn't support logprobs. Please remove logprobs from the request."), .nothing),
        (
            400,
            flat(
                "[{'type': 'extra_forbidden', 'loc': ('body', 'return_token_ids'), 'msg': 'Extra inputs are not permitted'}]"
            ), .withoutTokenIDs
        ),
        (
            422,
            #"{"detail":[{"type":"extra_forbidden","loc":["body","top_logprobs"],"msg":"Extra inputs are not permitted"}]}"#,
            .nothing
        ),
        (
            400,
            flat(
                "return_token_ids is not supported with streaming on /v1/chat/completions. Please set stream=false when using return_token_ids=true."
            ), .withoutTokenIDs
        ),
        (400, nested("logprobs is not supported with tools + stream"), .nothing),
        (500, nested("logprobs is not supported with tools + stream", code: 500), .nothing),
        (501, "logprobs are not implemented", .nothing),
        (400, "LOGPROBS NOT SUPPORTED", .nothing),
        // Ranges.
        (
            400,
            nested(
                "Requested sample logprobs of 5, which is greater than max allowed: 3 (parameter=logprobs, value=5)"),
            .atMost(3)
        ),
        (
            400,
            nested(
                "Requested sample logprobs of 5, which is greater than max allowed: 0 (parameter=logprobs, value=5)"),
            .atMost(0)
        ),
        (400, nested("top_logprobs must be between 0 and 2"), .atMost(2)),
        (
            400,
            nested("Invalid 'top_logprobs': integer above maximum value. Expected a value <= 3, but got 5 instead."),
            .atMost(3)
        ),
        (
            422,
            #"{"error":"Input validation error: `top_n_tokens` must be >= 0 and <= 4. Given: 5","error_type":"validation"}"#,
            .atMost(4)
        ),
        (400, nested("top_logprobs must be less than or equal to 4"), .atMost(4)),
        (400, nested("logprobs exceeds the limit"), .atMost(1)),
    ]

    @Test(arguments: refused)
    func rejectionReducesTheInjection(status: Int, body: String, expected: Next) throws {
        #expect(try next(status, body) == expected)
    }

    @Test("OpenRouter's 404 rejects the injection, and any other 404 does not")
    func aRouterFindsNoEngine() throws {
        let wording = "No endpoints found that can handle the requested parameters. To learn more …"
        #expect(try next(404, Self.nested(wording)) == .nothing)
        #expect(try next(404, Self.nested("The model `logprobs` does not exist")) == .giveUp)
        #expect(try next(404, Self.nested("No endpoints found that support tool use.")) == .giveUp)
    }

    // MARK: Not about the injection

    @Test(arguments: [200, 204, 301, 401, 402, 404, 405, 408, 409, 413, 415, 418, 429, 502, 503, 504, 529])
    func otherStatusesAreNoRejections(status: Int) throws {
        let body = Self.nested("logprobs and return_token_ids are not supported", code: status)
        #expect(try next(status, body) == .giveUp)
    }

    @Test(
        arguments: [400, 403, 422, 500, 501],
        [
            "", "{}", "null", "Bad Request", #"{"detail":"Not Found"}"#, nested("'messages' is required"),
            nested("stream_options can only be set when stream is true"), nested("[] is too short - 'tools'"),
            nested("This model's maximum context length is 16384 tokens, which exceeds this limit"),
            nested("Out of range float values are not JSON compliant"),
            // A field of the agent with a similar name.
            nested(
                "`prompt_logprobs` are not available when `stream=True`. (parameter=prompt_logprobs)",
                param: "prompt_logprobs"),
        ])
    func errorsCausedByTheAgentAreNoRejections(status: Int, body: String) throws {
        #expect(try next(status, body) == .giveUp)
    }

    @Test func onlyInjectedFieldsAreRejected() throws {
        let ids = Self.nested("unknown field return_token_ids")
        let logprobs = Self.nested("logprobs are not supported")
        #expect(try next(400, ids, Self.injection(ids: false)) == .giveUp)
        #expect(try next(400, logprobs, Self.injection(nil)) == .giveUp)
        #expect(try next(400, logprobs, Injection()) == .giveUp)
        #expect(try next(400, Self.nested("n_probs must be a number")) == .giveUp)
        var nProbs = Self.injection(ids: false)
        nProbs.logprobs = .nProbs
        #expect(try next(400, Self.nested("n_probs must be a number"), nProbs) == .nothing)
    }

    @Test func idsAreRemovedBeforeLogprobs() throws {
        let both = Self.nested("extra fields not permitted: logprobs, return_token_ids")
        #expect(try next(400, both) == .withoutTokenIDs)
        var injectionLimits = InjectionLimits()
        injectionLimits.tokenIDs = false
        #expect(try next(400, both, Self.injection(ids: false), injectionLimits: injectionLimits) == .nothing)
    }

    @Test func repeatedRangeErrorsEndInNoInjection() throws {
        let range = Self.nested("logprobs out of range: must be between 0 and 20")
        #expect(try next(400, range, Self.injection(5)) == .atMost(1))
        #expect(try next(400, range, Self.injection(1)) == .nothing)
        #expect(try next(400, range, Self.injection(0)) == .nothing)
    }

    // MARK: Recorded errors

    /// Errors that the agent causes are no rejections, whatever was injected.
    @Test(
        arguments: WireSample.all.filter {
            $0.name.hasPrefix("err_") && $0.response.status >= 400 && !$0.name.contains("logprobs")
        })
    func recordedErrorsOfTheAgent(sample: WireSample) throws {
        #expect(try next(sample.response.status, String(decoding: sample.response.body, as: UTF8.self)) == .giveUp)
    }

    @Test(arguments: ["vllm", "vllm-reasoning"])
    func recordedPromptLogprobs(set: String) throws {
        let sample = try #require(WireSample.named("chat_stream_prompt_logprobs", in: set))
        #expect(try next(sample.response.status, String(decoding: sample.response.body, as: UTF8.self)) == .giveUp)
    }

    @Test(arguments: ["vllm", "vllm-reasoning"])
    func recordedRanges(set: String) throws {
        let unary = try #require(WireSample.named("err_top_logprobs_too_large", in: set)).response
        #expect(try next(unary.status, String(decoding: unary.body, as: UTF8.self), Self.injection(50)) == .atMost(20))
        let stream = try #require(WireSample.named("err_top_logprobs_too_large_stream", in: set)).response
        let error = try #require(StreamDriver.run(try injectedReply(), stream.body).errors.first)
        #expect(try next(400, error, Self.injection(50)) == .atMost(20))
    }

    /// The agent's `top_logprobs` without `logprobs`: nothing was injected, so nothing is tried again.
    @Test func recordedFaultyRequest() throws {
        for sample in WireSample.all where sample.name == "err_top_logprobs_without_logprobs" {
            let prepared = try prepare(String(decoding: sample.request.body, as: UTF8.self))
            let body = String(decoding: sample.response.body, as: UTF8.self)
            #expect(try next(sample.response.status, body, prepared.injection) == .giveUp)
        }
    }

    @Test(arguments: ["llamacpp", "llamacpp-tools"], ["chat_stream_tools_auto", "chat_stream_tools_required"])
    func recordedToolStreams(set: String, name: String) throws {
        let sample = try #require(WireSample.named(name, in: set))
        let body = String(decoding: sample.response.body, as: UTF8.self)
        #expect(try next(sample.response.status, body) == .nothing)
    }

    /// A field is not rejected because the error quotes it.
    @Test(arguments: [
        #"[{'type': 'missing', 'loc': ('body', 'messages'), 'msg': 'Field required', 'input': {'logprobs': True}}]"#,
        #"1 validation error: messages Field required [type=missing, input_value={'return_token_ids': True}]"#,
        #"{"detail":[{"loc":["body","x"],"msg":"m","input":{"logprobs":true}},{"loc":["body","y"],"msg":"n"}]}"#,
    ])
    func quotedRequestFieldsAreNotRejected(body: String) throws {
        #expect(try next(400, body) == .giveUp)
    }

    /// Each quote ends at the next location, however many there are. The largest error that is read takes no time.
    @Test func manyQuotesAreLeftOut() throws {
        for count in [1, 2, 3, 4600] {
            let quotes = String(repeating: "'input':'logprobs','loc':", count: count)
            #expect(try next(422, "{\"detail\":\"\(quotes)\"}") == .giveUp)
            #expect(try next(422, "{\"detail\":\"\(quotes.prefix(60_000)) logprobs\"}") == .nothing)
        }
        #expect(try next(422, "'loc':'loc':logprobs 'input':input_value=\"input\":x") == .nothing)
    }

    @Test func anErrorAboutTheRequestMayShowTheInjection() throws {
        var injection = Injection()
        injection.topLogprobs = 5
        let shown = Array(#"{"error":{"message":"bad: {'top_logprobs': 5}"}}"#.utf8)
        let other = Array(#"{"error":{"message":"prompt_logprobs failed"}}"#.utf8)
        func mayShow(_ injection: Injection, _ status: Int, _ body: [UInt8]) -> Bool {
            InjectionRejection.mayShow(injection, inStatus: status, body: body.span)
        }
        for status in [400, 404, 409, 413, 422, 424] {
            #expect(mayShow(injection, status, shown))
            #expect(!mayShow(injection, status, other) && !mayShow(Injection(), status, shown))
        }
        #expect(!mayShow(injection, 200, shown) && !mayShow(injection, 500, shown))
    }

    @Test func textAfterAQuoteCounts() throws {
        let body =
            #"[{'loc': ('body', 'x'), 'msg': 'm', 'input': {'a': 1}}, {'type': 'extra_forbidden', 'loc': ('body', 'return_token_ids'), 'input': True}]"#
        #expect(try next(400, body) == .withoutTokenIDs)
    }

    /// A server error that mentions log-probabilities is a rejection only if it says that they are not supported.
    @Test func serverErrorsAreRejectionsOnlyIfUnsupported() throws {
        #expect(try next(500, Self.nested("logprobs[17].logprob = nan")) == .giveUp)
        #expect(try next(500, Self.nested("logprobs is not supported with tools + stream")) == .nothing)
    }
}
