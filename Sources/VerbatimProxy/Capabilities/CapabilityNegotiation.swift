import VerbatimAPI
import VerbatimSchema

/// One turn's part in finding out what the engine accepts of what the proxy injects.
///
/// Engines differ in the fields they accept, and an unknown field may cost the agent an error it would not have had.
/// The proxy therefore *negotiates*:
///
/// 1. A ``CapabilityPlan`` says what to inject, from what the ``CapabilityCache`` holds for the request's
///    ``CapabilityKey``: the limits found so far, and whether the engine has accepted such an injection before.
/// 2. If it has not, the engine may reject the injection (``mayBeRejected``). Of the turns that begin meanwhile with
///    the same key, one is the *probe* and the others wait for its result (``CapabilityProbes``). No byte of the reply
///    reaches the agent until the reply shows whether the engine rejected the injection.
/// 3. After a rejection the turn tries again with less, at most twice, and the last time with nothing injected. The
///    agent sees none of this. If less is not enough for the operator (`--require-capture`), the turn is refused
///    instead.
/// 4. What the turn finds out leaves it as ``CapabilityFinding`` values. A rejection is *tentative* until the engine
///    accepts what is left: the error may have had another cause that only mentions an injected field.
///
/// A value without side effects: the caller sends the attempts and passes the findings on.
struct CapabilityNegotiation: ~Copyable {
    /// What to do about an error that the engine gave in place of a reply.
    enum RetryDecision: Equatable {
        /// It is not about the injection. The agent gets it.
        case passOn
        /// Send ``prepared``, which has changed.
        case retry
        /// A retry would capture less than the operator requires.
        case refuse
    }

    private static let maximumRetries = 2

    /// What the next attempt sends, or the current one has sent, and what reads its reply.
    private(set) var prepared: PreparedExchange
    /// The profile in force for this turn.
    private(set) var profile: EngineProfile
    /// What the engine said when it rejected an injection, in order.
    private(set) var rejections: [String] = []
    let key: CapabilityKey

    private let policy: RequestPolicy
    /// Nil when no retry is possible any more: a request may be large, and a stream long.
    private var request: (any APIRequest)?
    private var limits: InjectionLimits
    private var isProven: Bool
    private var isTentative: Bool
    private var isHopeless: Bool
    private let isProfileFixed: Bool
    private var retries = 0
    /// What this turn's own rejections have left to try.
    private var rejectedLimits: InjectionLimits?
    private var isProbe = false
    /// The retry after a server error injects nothing, so that its success says nothing about what the engine accepts.
    private var isInconclusive = false
    /// The engine has accepted the last attempt's injection.
    private var isAccepted = false
    private var findings: [CapabilityFinding] = []

    init(_ plan: CapabilityPlan, request: any APIRequest, policy: RequestPolicy) {
        self.request = request
        self.policy = policy
        key = plan.key
        prepared = plan.prepared
        profile = plan.engine.profile
        isProfileFixed = plan.engine.isFixed
        limits = plan.limits
        isProven = plan.isProven
        isTentative = plan.isTentative
        isHopeless = plan.isHopeless
    }

    // MARK: Before the first attempt

    /// The engine has not been seen to accept such an injection.
    var mayBeRejected: Bool { !isProven && !prepared.request.injection.isEmpty }

    /// The turn cannot be captured at the level that the operator requires.
    var isUnattainable: Bool { isHopeless || !policy.isSatisfied(by: prepared.request.bestPossibleLevel) }

    /// Starts again from a newer plan for the same request. Only before the first attempt.
    mutating func replan(_ makePlan: (any APIRequest) -> CapabilityPlan) {
        guard let request else { return }
        let plan = makePlan(request)
        prepared = plan.prepared
        profile = plan.engine.profile
        limits = plan.limits
        isProven = plan.isProven
        isTentative = plan.isTentative
        isHopeless = plan.isHopeless
    }

    /// Other turns wait for what this one finds out.
    mutating func becomeProbe() { isProbe = true }

    // MARK: The reply

    /// Looks for the engine's name in the headers of its reply.
    ///
    /// - Returns: Whether they identify it.
    mutating func recognize(by headers: some Sequence<(name: String, value: String)>) -> Bool {
        if isProfileFixed { return false }
        for (name, value) in headers {
            guard let recognized = EngineRecognition.profile(forHeader: name, value: value) else { continue }
            recognize(recognized, by: .header)
            return true
        }
        return false
    }

    /// The engine has replied to the attempt without an error.
    mutating func engineAccepted() {
        // A turn that injected less because of an unconfirmed rejection proves nothing.
        let isOwnFinding = !isTentative || rejectedLimits != nil
        let limits = rejectedLimits ?? limits
        let isFinding = !prepared.request.injection.isEmpty || limits != InjectionLimits()
        if !isProven && !isInconclusive && isOwnFinding && isFinding {
            findings.append(.accepted(prepared.request.injection, limits: limits))
        }
        isProven = true
        isAccepted = true
        endProbe()
    }

    /// The engine has replied with an error before the agent got anything.
    ///
    /// - Parameter message: The error's message, as a record may hold it.
    mutating func handle(_ error: EngineError, message: String) -> RetryDecision {
        guard retries < Self.maximumRetries, let request else { return .passOn }
        guard let remaining = remainingLimits(after: error) else {
            guard error.status == 500, policy.retriesServerErrors else { return .passOn }
            return retryWithoutInjection(request, message: message)
        }
        if let recognized = error.profile { recognize(recognized, by: .refusal) }
        // An engine that has just been recognized may accept the same data under another name.
        var next = prepared(request)
        if next.request.injection == prepared.request.injection {
            rejectedLimits = remaining
            // The last attempt must not fail because of the injection, so it has none. What may still be possible is
            // left to the next turn.
            limits = retries + 1 == Self.maximumRetries ? .nothing : remaining
            next = prepared(request)
            if next.request.injection != prepared.request.injection { findings.append(.rejected(leaving: remaining)) }
        }
        endProbe()
        return retry(with: next, message: message)
    }

    /// No retry will follow: the reply's head goes to the agent.
    mutating func endRetries() {
        if request != nil { request = nil }
    }

    /// A stream whose head has been sent contains an error before any output.
    mutating func handleLate(_ error: EngineError) {
        // What was accepted before is rejected now. It is too late for this turn, but not for the next.
        if remainingLimits(after: error) != nil { findings.append(.revoked) }
    }

    // MARK: The end

    /// What the record says of data that could not be captured.
    var problems: [ProblemCode] { isInconclusive ? [ProblemCode.repeatedAfterError] : limits.problems }

    /// The turn is over.
    ///
    /// - Parameters:
    ///   - recognized: The engine that its reply identifies. It also counts against what was recognized before: the
    ///     engine may have been exchanged.
    ///   - version: The engine's version as its reply states it.
    ///   - meetsRequirement: Whether a complete turn was captured as required; nil if nothing is required.
    mutating func conclude(recognized: EngineProfile?, version: [UInt8]?, meetsRequirement: Bool?) {
        if let recognized, !isProfileFixed { findings.append(.recognized(recognized, by: .reply)) }
        if !isAccepted && rejectedLimits != nil { findings.append(.unconfirmed) }
        endProbe()
        if let version { findings.append(.version(version)) }
        if let meetsRequirement { findings.append(.requirement(isMet: meetsRequirement)) }
    }

    /// What has been found out since the last call, in order.
    mutating func takeFindings() -> [CapabilityFinding] {
        if findings.isEmpty { return [] }
        defer { findings = [] }
        return findings
    }

    // MARK: -

    private func prepared(_ request: any APIRequest) -> PreparedExchange {
        request.prepared(policy: policy, profile: profile, injectionLimits: limits)
    }

    private func remainingLimits(after error: EngineError) -> InjectionLimits? {
        InjectionRejection.injectionLimits(
            afterStatus: error.status, body: error.body.span, injection: prepared.request.injection,
            injectionLimits: limits)
    }

    private mutating func recognize(_ recognized: EngineProfile, by evidence: EngineIdentity.Evidence) {
        if isProfileFixed { return }
        profile = recognized
        findings.append(.recognized(recognized, by: evidence))
    }

    /// Tries again after a failure that may or may not be due to the injection: a NaN among the log-probabilities makes
    /// vLLM fail so.
    private mutating func retryWithoutInjection(_ request: any APIRequest, message: String) -> RetryDecision {
        guard retries == 0, !prepared.request.injection.isEmpty else { return .passOn }
        limits = .nothing
        isInconclusive = true
        let next = prepared(request)
        return policy.isSatisfied(by: next.request.bestPossibleLevel) ? retry(with: next, message: message) : .passOn
    }

    private mutating func retry(with next: PreparedExchange, message: String) -> RetryDecision {
        if next.request.injection == prepared.request.injection { return .passOn }
        rejections.append(message)
        if !policy.isSatisfied(by: next.request.bestPossibleLevel) { return .refuse }
        retries += 1
        isProven = false
        prepared = next
        return .retry
    }

    private mutating func endProbe() {
        if isProbe { findings.append(.probeEnded) }
        isProbe = false
    }
}
