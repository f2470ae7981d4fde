import NIOCore
import Testing
import VerbatimAPI
import VerbatimSchema

@testable import VerbatimProxy

/// What a turn injects, attempt by attempt, and what it finds out from the engine's replies.
@Suite("Capability negotiation") struct CapabilityNegotiationTests {
    typealias Decision = CapabilityNegotiation.RetryDecision

    /// How an attempt ends, and what the negotiation makes of that.
    enum Step: Sendable {
        case accepted
        case error(Int, String, Decision)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        var setup = Setup()
        let steps: [Step]
        /// What each attempt injects.
        let attempts: [String]
        /// Without the end of the probe.
        let findings: [CapabilityFinding]
        var problems: [ProblemCode] = []

        var testDescription: String { name }
    }

    struct Setup: Sendable {
        var engine: EngineProfile? = .vllm
        var body = #"{"model":"m","messages":[]}"#
        var requirement: CaptureRequirement?
        var retriesServerErrors = false
        /// What the cache holds before the turn begins.
        var known: [CapabilityFinding] = []

        func negotiation() throws -> CapabilityNegotiation {
            var policy = RequestPolicy()
            policy.requirement = requirement
            policy.retriesServerErrors = retriesServerErrors
            let capabilities = CapabilityCache(fixed: engine, host: "engine", lifetime: .hours(1)) { _, _ in }
            let request = try APIRegistry.request(to: .chatCompletions, body: Array(body.utf8))
            func plan() -> CapabilityPlan {
                CapabilityPlan(
                    request, policy: policy, session: "s", capabilities: capabilities,
                    at: .uptimeNanoseconds(0))
            }
            for finding in known { capabilities.note(finding, for: plan().key, in: "s", at: .uptimeNanoseconds(0)) }
            return CapabilityNegotiation(plan(), request: request)
        }
    }

    // MARK: Values

    private static func injection(_ top: Int?, ids: Bool = true) -> Injection {
        var injection = Injection()
        injection.topLogprobs = top
        if ids { injection.ids = [.flag("return_token_ids")] }
        return injection
    }

    private static func limits(ids: Bool = true, top: Int? = nil) -> InjectionLimits {
        var limits = InjectionLimits()
        limits.tokenIDs = ids
        limits.maximumTopLogprobs = top
        return limits
    }

    private static let rejectsIDs = #"{"error":{"message":"unknown argument: return_token_ids"}}"#
    private static let rejectsTop = #"{"error":{"message":"top_logprobs must be at most 3"}}"#
    private static let rejectsLogprobs = #"{"error":{"message":"logprobs are not supported"}}"#
    private static let otherError = #"{"error":{"message":"the prompt is too long"}}"#
    private static let everything = "logprobs:5 ids"

    static let cases: [Case] = [
        Case(
            name: "The engine accepts the injection", steps: [.accepted], attempts: [everything],
            findings: [.accepted(injection(5), limits: limits())]),
        Case(
            name: "Token ids are rejected, and left out", steps: [.error(400, rejectsIDs, .retry), .accepted],
            attempts: [everything, "logprobs:5"],
            findings: [
                .rejected(leaving: limits(ids: false)),
                .accepted(injection(5, ids: false), limits: limits(ids: false)),
            ],
            problems: [ProblemCode.tokenIDsRefused]),
        Case(
            name: "Log-probabilities are rejected, and nothing is injected",
            steps: [.error(422, rejectsLogprobs, .retry), .accepted], attempts: [everything, ""],
            findings: [
                .rejected(leaving: .nothing), .accepted(injection(nil, ids: false), limits: .nothing),
            ],
            problems: [ProblemCode.logprobsRefused]),
        Case(
            name: "Fewer alternatives are allowed", steps: [.error(400, rejectsTop, .retry), .accepted],
            attempts: [everything, "logprobs:3 ids"],
            findings: [
                .rejected(leaving: limits(top: 3)), .accepted(injection(3), limits: limits(top: 3)),
            ],
            problems: [ProblemCode.topLogprobsLowered]),
        Case(
            name: "After two rejections nothing is injected, and the next turn knows what is left to try",
            steps: [.error(400, rejectsIDs, .retry), .error(400, rejectsTop, .retry), .accepted],
            attempts: [everything, "logprobs:5", ""],
            findings: [
                .rejected(leaving: limits(ids: false)), .rejected(leaving: limits(ids: false, top: 3)),
                .accepted(injection(nil, ids: false), limits: limits(ids: false, top: 3)),
            ],
            problems: [ProblemCode.logprobsRefused]),
        Case(
            name: "There is no third retry",
            steps: [
                .error(400, rejectsIDs, .retry), .error(400, rejectsTop, .retry),
                .error(400, rejectsLogprobs, .passOn),
            ],
            attempts: [everything, "logprobs:5", ""],
            findings: [
                .rejected(leaving: limits(ids: false)), .rejected(leaving: limits(ids: false, top: 3)),
                .unconfirmed,
            ],
            problems: [ProblemCode.logprobsRefused]),
        Case(
            name: "A rejection is unconfirmed if the retry fails for another reason",
            steps: [
                .error(400, rejectsIDs, .retry), .error(400, otherError, .retry), .error(400, otherError, .passOn),
            ],
            attempts: [everything, "logprobs:5", ""],
            findings: [.rejected(leaving: limits(ids: false)), .futile(status: 400), .unconfirmed]),
        Case(
            name: "An error in other words is repeated with nothing injected, and the agent's if that fails as well",
            steps: [.error(400, otherError, .retry), .error(400, otherError, .passOn)], attempts: [everything, ""],
            findings: [.futile(status: 400)]),
        Case(
            name: "If the repeat succeeds, the injection is presumed to be the reason",
            steps: [.error(404, otherError, .retry), .accepted], attempts: [everything, ""],
            findings: [.presumed(leaving: .nothing, isLate: false)], problems: [ProblemCode.logprobsRefused]),
        Case(
            name: "The same failure is not repeated again soon",
            setup: Setup(known: [.futile(status: 400)]), steps: [.error(400, otherError, .passOn)],
            attempts: [everything], findings: []),
        Case(
            name: "Another failure is", setup: Setup(known: [.futile(status: 400)]),
            steps: [.error(0, "", .retry), .accepted], attempts: [everything, ""],
            findings: [.presumed(leaving: .nothing, isLate: false)], problems: [ProblemCode.logprobsRefused]),
        Case(
            name: "What has succeeded with the injection is not repeated without",
            setup: Setup(known: [.accepted(injection(5), limits: limits()), .succeeded(injection(5))]),
            steps: [.error(502, otherError, .passOn)], attempts: [everything], findings: []),
        Case(
            name: "What has been accepted but never came to its end is",
            setup: Setup(known: [.accepted(injection(5), limits: limits())]),
            steps: [.error(502, otherError, .retry), .accepted], attempts: [everything, ""],
            findings: [.presumed(leaving: .nothing, isLate: false)], problems: [ProblemCode.logprobsRefused]),
        Case(
            name: "An error that quotes the request is repeated, so that the agent gets its own",
            setup: Setup(known: [.accepted(injection(5), limits: limits()), .succeeded(injection(5))]),
            steps: [.error(422, #"{"detail":[{"type":"x","input":{}}]}"#, .retry), .error(422, otherError, .passOn)],
            attempts: [everything, ""], findings: [], problems: [ProblemCode.repeatedAfterError]),
        Case(
            name: "What is presumed holds for the session's next turns, and proves nothing",
            setup: Setup(known: [.presumed(leaving: .nothing, isLate: false)]), steps: [.accepted], attempts: [""],
            findings: [], problems: [ProblemCode.logprobsRefused]),
        Case(
            name: "A rejection in words that the agent has used, too, is only presumed",
            setup: Setup(body: #"{"model":"m","messages":[{"role":"LogProbs"}]}"#),
            steps: [.error(400, rejectsLogprobs, .retry), .accepted], attempts: [everything, ""],
            findings: [.rejected(leaving: .nothing), .presumed(leaving: .nothing, isLate: false)],
            problems: [ProblemCode.logprobsRefused]),
        Case(
            name: "The agent's words may be escaped",
            setup: Setup(body: #"{"model":"m","messages":[{"role":"\u006cogprobs"}]}"#),
            steps: [.error(400, rejectsLogprobs, .retry), .accepted], attempts: [everything, ""],
            findings: [.rejected(leaving: .nothing), .presumed(leaving: .nothing, isLate: false)],
            problems: [ProblemCode.logprobsRefused]),
        Case(
            name: "A router that finds no engine for each field rejects the injection",
            steps: [
                .error(
                    404, #"{"error":{"message":"No endpoints found that can handle the requested parameters."}}"#,
                    .retry),
                .accepted,
            ], attempts: [everything, ""],
            findings: [
                .rejected(leaving: .nothing), .accepted(injection(nil, ids: false), limits: .nothing),
            ],
            problems: [ProblemCode.logprobsRefused]),
        Case(
            name: "Nothing is injected into a request that the engine refuses anyway",
            setup: Setup(body: #"{"model":"m"}"#, requirement: .tokens), steps: [.error(400, otherError, .passOn)],
            attempts: [""], findings: []),
        Case(
            name: "A status that rejects nothing is the agent's", steps: [.error(429, rejectsIDs, .passOn)],
            attempts: [everything], findings: []),
        Case(
            name: "An agent that requests the data itself gets the engine's error",
            setup: Setup(
                body: #"{"model":"m","messages":[],"logprobs":true,"top_logprobs":5,"return_token_ids":true}"#),
            steps: [.error(400, rejectsIDs, .passOn)], attempts: [""], findings: []),
        Case(
            name: "Nothing is found out from a turn without an injection",
            setup: Setup(
                body: #"{"model":"m","messages":[],"logprobs":true,"top_logprobs":5,"return_token_ids":true}"#),
            steps: [.accepted], attempts: [""], findings: []),

        // Server errors.
        Case(
            name: "A server error is the agent's if it comes without the injection, too",
            steps: [.error(500, otherError, .retry), .error(500, otherError, .passOn)],
            attempts: [everything, ""], findings: [.futile(status: 500)]),
        Case(
            name: "A server error is retried without the injection, which finds out nothing",
            setup: Setup(retriesServerErrors: true), steps: [.error(500, otherError, .retry), .accepted],
            attempts: [everything, ""], findings: [], problems: [ProblemCode.repeatedAfterError]),
        Case(
            name: "A server error is retried once",
            setup: Setup(retriesServerErrors: true),
            steps: [.error(500, otherError, .retry), .error(500, otherError, .passOn)],
            attempts: [everything, ""], findings: [], problems: [ProblemCode.repeatedAfterError]),
        Case(
            name: "A server error is not retried below the required level",
            setup: Setup(requirement: .logprobs, retriesServerErrors: true),
            steps: [.error(500, otherError, .passOn)], attempts: [everything], findings: []),
        Case(
            name: "A server error that names the injection as unsupported rejects it",
            steps: [.error(500, rejectsLogprobs, .retry), .accepted], attempts: [everything, ""],
            findings: [.rejected(leaving: .nothing), .accepted(injection(nil, ids: false), limits: .nothing)],
            problems: [ProblemCode.logprobsRefused]),

        // The required level.
        Case(
            name: "A turn is refused if what is left is below the required level",
            setup: Setup(requirement: .tokens), steps: [.error(400, rejectsIDs, .refuse)], attempts: [everything],
            findings: [.rejected(leaving: limits(ids: false)), .unconfirmed], problems: [ProblemCode.tokenIDsRefused]),
        Case(
            name: "A turn is retried if what is left meets the requirement",
            setup: Setup(requirement: .logprobs), steps: [.error(400, rejectsIDs, .retry), .accepted],
            attempts: [everything, "logprobs:5"],
            findings: [
                .rejected(leaving: limits(ids: false)),
                .accepted(injection(5, ids: false), limits: limits(ids: false)),
            ],
            problems: [ProblemCode.tokenIDsRefused]),

        // What is known before.
        Case(
            name: "What the engine is known to accept is not reported again",
            setup: Setup(known: [.accepted(injection(5), limits: limits())]), steps: [.accepted],
            attempts: [everything], findings: []),
        Case(
            name: "Known limits are kept to",
            setup: Setup(known: [.accepted(injection(3, ids: false), limits: limits(ids: false, top: 3))]),
            steps: [.accepted], attempts: ["logprobs:3"], findings: [],
            problems: [ProblemCode.tokenIDsRefused, ProblemCode.topLogprobsLowered]),
        Case(
            name: "What was accepted before can be rejected",
            setup: Setup(known: [.accepted(injection(5), limits: limits())]),
            steps: [.error(400, rejectsIDs, .retry), .accepted], attempts: [everything, "logprobs:5"],
            findings: [
                .rejected(leaving: limits(ids: false)),
                .accepted(injection(5, ids: false), limits: limits(ids: false)),
            ],
            problems: [ProblemCode.tokenIDsRefused]),
        Case(
            name: "A turn that injects less because of another's unconfirmed rejection proves nothing",
            setup: Setup(known: [.rejected(leaving: limits(ids: false))]), steps: [.accepted],
            attempts: ["logprobs:5"], findings: [], problems: [ProblemCode.tokenIDsRefused]),
        Case(
            name: "A rejection of its own proves something also after another's unconfirmed one",
            setup: Setup(known: [.rejected(leaving: limits(ids: false))]),
            steps: [.error(400, rejectsTop, .retry), .accepted], attempts: ["logprobs:5", "logprobs:3"],
            findings: [
                .rejected(leaving: limits(ids: false, top: 3)),
                .accepted(injection(3, ids: false), limits: limits(ids: false, top: 3)),
            ],
            problems: [ProblemCode.tokenIDsRefused, ProblemCode.topLogprobsLowered]),
    ]

    /// `logprobs:5 ids`
    private static func describe(_ injection: Injection) -> String {
        let name = injection.logprobs == .nProbs ? "n_probs" : "logprobs"
        return [injection.topLogprobs.map { "\(name):\($0)" }, injection.ids.isEmpty ? nil : "ids"]
            .compactMap(\.self).joined(separator: " ")
    }

    @Test("The engine's replies decide what is retried and found out", arguments: cases, [false, true])
    func answersDecide(example: Case, isProbe: Bool) throws {
        var negotiation = try example.setup.negotiation()
        if isProbe { negotiation.becomeProbe() }
        var attempts = [Self.describe(negotiation.prepared.request.injection)]
        var findings: [CapabilityFinding] = []
        for step in example.steps {
            switch step {
            case .accepted: negotiation.engineAccepted()
            case .error(let status, let body, let decision):
                let error = EngineError(status: status, body: Array(body.utf8))
                #expect(negotiation.handle(error, message: error.message) == decision)
                if decision == .retry { attempts.append(Self.describe(negotiation.prepared.request.injection)) }
            }
            findings += negotiation.takeFindings()
        }
        let hasFailed = if case .error? = example.steps.last { true } else { false }
        negotiation.conclude(hasFailed ? .failure : .other, recognized: nil, version: nil, meetsRequirement: nil)
        findings += negotiation.takeFindings()
        #expect(attempts == example.attempts)
        #expect(findings.filter { $0 != .probeEnded } == example.findings)
        #expect(findings.count { $0 == .probeEnded } == (isProbe ? 1 : 0))
        #expect(negotiation.problems == example.problems)
        #expect(negotiation.takeFindings().isEmpty)
    }

    @Test("The body that is sent has what is injected, and a rejected injection leaves nothing in it")
    func bodyOfEachAttempt() throws {
        var negotiation = try Setup().negotiation()
        #expect(String(decoding: negotiation.prepared.request.body, as: UTF8.self).contains("return_token_ids"))
        _ = negotiation.handle(EngineError(status: 400, body: Array(Self.rejectsLogprobs.utf8)), message: "no")
        #expect(String(decoding: negotiation.prepared.request.body, as: UTF8.self) == #"{"model":"m","messages":[]}"#)
        #expect(negotiation.rejections == ["no"])
    }

    // MARK: Probes

    @Test("An injection may be rejected until the engine accepts it, and again after a rejection")
    func mayBeRejected() throws {
        var negotiation = try Setup().negotiation()
        #expect(negotiation.mayBeRejected == true)
        _ = negotiation.handle(EngineError(status: 400, body: Array(Self.rejectsIDs.utf8)), message: "")
        #expect(negotiation.mayBeRejected == true)
        negotiation.engineAccepted()
        #expect(negotiation.mayBeRejected == false)
        #expect(
            try Setup(known: [.accepted(Self.injection(5), limits: Self.limits())]).negotiation().mayBeRejected == false
        )
        #expect(try Setup(known: [.rejected(leaving: Self.limits(ids: false))]).negotiation().mayBeRejected == true)
        #expect(try Setup(known: [.accepted(Injection(), limits: .nothing)]).negotiation().mayBeRejected == false)
    }

    @Test("A probe ends with the first rejection, before the retry is answered")
    func aRejectionEndsTheProbe() throws {
        var negotiation = try Setup().negotiation()
        negotiation.becomeProbe()
        _ = negotiation.handle(EngineError(status: 400, body: Array(Self.rejectsIDs.utf8)), message: "")
        #expect(negotiation.takeFindings() == [.rejected(leaving: Self.limits(ids: false)), .probeEnded])
        negotiation.engineAccepted()
        #expect(!negotiation.takeFindings().contains(.probeEnded))
    }

    @Test("A newer plan takes the place of the first")
    func replanning() throws {
        var negotiation = try Setup(body: #"{"model":"m","messages":[],"stream":true}"#).negotiation()
        let capabilities = CapabilityCache(fixed: nil, host: "engine", lifetime: .hours(1)) { _, _ in }
        capabilities.recognize(.llamaCpp, by: .models, of: nil)
        negotiation.replan {
            CapabilityPlan(
                $0, policy: RequestPolicy(), session: "s", capabilities: capabilities,
                at: .uptimeNanoseconds(0))
        }
        #expect(negotiation.profile == .llamaCpp)
        #expect(Self.describe(negotiation.prepared.request.injection) == "logprobs:5")
    }

    // MARK: Which engine it is

    @Test("The wording of an error can identify the engine, which may accept the same data under another name")
    func errorWordingIdentifiesTheEngine() throws {
        let body = #"{"model":"m","messages":[],"stream":true,"tools":[{}]}"#
        let error = #"{"error":{"code":400,"message":"logprobs is not supported with tools + stream"}}"#
        var negotiation = try Setup(engine: nil, body: body).negotiation()
        #expect(negotiation.handle(EngineError(status: 400, body: Array(error.utf8)), message: "") == .retry)
        #expect(Self.describe(negotiation.prepared.request.injection) == "n_probs:5")
        #expect(negotiation.takeFindings() == [.recognized(.llamaCpp, by: .refusal)])
        negotiation.engineAccepted()
        var injection = Self.injection(5, ids: false)
        injection.logprobs = .nProbs
        #expect(negotiation.takeFindings() == [.accepted(injection, limits: Self.limits())])
        #expect(negotiation.problems == [])
    }

    @Test(
        "Headers and replies identify the engine unless the operator named it", arguments: [nil, EngineProfile.vllm])
    func recognition(fixed: EngineProfile?) throws {
        var negotiation = try Setup(engine: fixed).negotiation()
        let headers = [(name: "Date", value: "now"), (name: "Server", value: "llama.cpp")]
        #expect(negotiation.recognize(by: headers) == (fixed == nil))
        #expect(negotiation.profile == fixed ?? .llamaCpp)
        #expect(negotiation.recognize(by: headers.prefix(1)) == false)
        negotiation.conclude(.other, recognized: .sglang, version: nil, meetsRequirement: nil)
        let findings: [CapabilityFinding] = [.recognized(.llamaCpp, by: .header), .recognized(.sglang, by: .reply)]
        #expect(negotiation.takeFindings() == (fixed == nil ? findings : []))
    }

    // MARK: The end

    @Test(
        "Once the reply has begun, an error is not retried, but the next turn injects less", arguments: [true, false])
    func noRetryAfterTheHead(asStream: Bool) throws {
        var negotiation = try Setup().negotiation()
        negotiation.endRetries()
        let error = EngineError(status: 400, body: Array(Self.rejectsIDs.utf8))
        if asStream {
            negotiation.handleLate(error)
        } else {
            #expect(negotiation.handle(error, message: "") == .passOn)
        }
        #expect(
            negotiation.takeFindings() == [.revoked, .presumed(leaving: Self.limits(ids: false), isLate: true)])
        negotiation.conclude(.failure, recognized: nil, version: nil, meetsRequirement: nil)
        #expect(negotiation.takeFindings() == [])
    }

    @Test(
        "A late error in other words is presumed to be a rejection unless such a turn has succeeded",
        arguments: [true, false], [400, 429])
    func lateErrors(hasSucceeded: Bool, status: Int) throws {
        let succeeded: [CapabilityFinding] = hasSucceeded ? [.succeeded(Self.injection(5))] : []
        var negotiation = try Setup(
            known: [.accepted(Self.injection(5), limits: Self.limits())] + succeeded
        ).negotiation()
        negotiation.endRetries()
        negotiation.handleLate(EngineError(status: status, body: Array(Self.otherError.utf8)))
        negotiation.conclude(.failure, recognized: nil, version: nil, meetsRequirement: nil)
        let presumed: [CapabilityFinding] = [.presumed(leaving: .nothing, isLate: true)]
        #expect(negotiation.takeFindings() == (hasSucceeded || status == 429 ? [] : presumed))
    }

    @Test("A stream that breaks off is held against the injection unless such a turn has succeeded")
    func brokenStreams() throws {
        let accepted = CapabilityFinding.accepted(Self.injection(5), limits: Self.limits())
        for (known, end, expected) in [
            ([], .failure, [accepted, .presumed(leaving: .nothing, isLate: true)]),
            ([accepted], .failure, [.presumed(leaving: .nothing, isLate: true)]),
            ([accepted, .succeeded(Self.injection(5))], .failure, []),
            ([], .other, [accepted]), ([], .success, [accepted, .succeeded(Self.injection(5))]),
        ] as [([CapabilityFinding], CapabilityNegotiation.End, [CapabilityFinding])] {
            var negotiation = try Setup(known: known).negotiation()
            negotiation.endRetries()
            negotiation.engineAccepted()
            negotiation.conclude(end, recognized: nil, version: nil, meetsRequirement: nil)
            #expect(negotiation.takeFindings() == expected)
        }
    }

    @Test("The turn after a broken stream shows whether the injection was the reason", arguments: [true, false])
    func afterABrokenStream(succeeds: Bool) throws {
        var negotiation = try Setup(known: [.presumed(leaving: .nothing, isLate: true)]).negotiation()
        #expect(negotiation.prepared.request.injection.isEmpty)
        negotiation.endRetries()
        negotiation.conclude(succeeds ? .success : .failure, recognized: nil, version: nil, meetsRequirement: nil)
        #expect(negotiation.takeFindings() == [succeeds ? .confirmed : .unconfirmed])
    }

    @Test("The end reports the version and whether the requirement is met", arguments: [nil, true, false])
    func theEnd(isMet: Bool?) throws {
        var negotiation = try Setup(requirement: .tokens).negotiation()
        negotiation.becomeProbe()
        negotiation.conclude(.other, recognized: nil, version: [1], meetsRequirement: isMet)
        let findings: [CapabilityFinding] = [.probeEnded, .version([1])]
        #expect(negotiation.takeFindings() == findings + (isMet.map { [.requirement(isMet: $0)] } ?? []))
    }

    @Test("A turn is unattainable if its engine cannot give what is required, or has kept falling short of it")
    func unattainable() throws {
        #expect(try Setup().negotiation().isUnattainable == false)
        #expect(try Setup(requirement: .tokens).negotiation().isUnattainable == false)
        #expect(try Setup(engine: .openAI, requirement: .tokens).negotiation().isUnattainable == true)
        #expect(try Setup(engine: .openAI, requirement: .logprobs).negotiation().isUnattainable == false)
        let rejected: [CapabilityFinding] = [.accepted(Injection(), limits: .nothing)]
        #expect(try Setup(requirement: .logprobs, known: rejected).negotiation().isUnattainable == true)
        #expect(try Setup(engine: .openAI, requirement: .partialTokens).negotiation().isUnattainable == true)
        let shortfall = CapabilityFinding.requirement(isMet: false)
        #expect(try Setup(requirement: .tokens, known: [shortfall]).negotiation().isUnattainable == false)
        #expect(try Setup(requirement: .tokens, known: [shortfall, shortfall]).negotiation().isUnattainable == true)
        #expect(try Setup(known: [shortfall, shortfall]).negotiation().isUnattainable == false)
        let met: [CapabilityFinding] = [shortfall, .requirement(isMet: true), shortfall]
        #expect(try Setup(requirement: .tokens, known: met).negotiation().isUnattainable == false)
    }
}
