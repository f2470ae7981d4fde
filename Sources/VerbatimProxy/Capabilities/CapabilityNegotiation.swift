import VerbatimAPI
import VerbatimSchema

/// One turn's part in finding out what the engine accepts of what the proxy injects.
///
/// Engines differ in the fields they accept, and an unknown field may cost the agent an error it would not have had.
/// The proxy therefore *negotiates*:
///
/// 1. A ``CapabilityPlan`` says what to inject, from what the ``CapabilityCache`` holds for the request's
///    ``CapabilityKey`` and session: the limits found so far, and whether the engine has accepted such an injection
///    before.
/// 2. If it has not, the engine may reject the injection (``mayBeRejected``). Of the turns that begin meanwhile with
///    the same key, one is the *probe* and the others wait for its result (``CapabilityProbes``). No byte of the reply
///    reaches the agent until the reply shows whether the engine rejected the injection.
/// 3. After an error that names the injection the turn tries again with less, at most twice, and the last time with
///    nothing injected. The agent sees none of this. If less is not enough for the operator (`--require-capture`), the
///    turn is refused instead.
/// 4. After any other failure, whatever its words, the turn tries once without the injection, provided that no turn of
///    the kind has ever succeeded with it. If the repeat fails as well, nothing is learned, and the same failure is not
///    repeated for some time (``FutileRepeats``).
/// 5. What the turn finds out leaves it as ``CapabilityFinding`` values. What the engine accepts holds for all. A
///    rejection holds for the turn's session until the engine accepts what is left, and beyond that for all only if the
///    engine's own words name the injection, or a second session finds the same (``SessionVerdicts``): an agent could
///    otherwise turn the capture of the others off.
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
    let key: CapabilityKey

    /// What the engine said before each retry, in order.
    private var messages: [String] = []
    private let policy: RequestPolicy
    /// Nil when no retry is possible any more: a request may be large, and a stream long.
    private var request: (any APIRequest)?
    private var limits: InjectionLimits
    private var alternativesCap: Int?
    private var isProven: Bool
    private var hasSucceeded: Bool
    private var standing: CachedCapability.Standing?
    private var futileStatuses: [Int]
    private var isHopeless: Bool
    private let isProfileFixed: Bool
    private var retries = 0
    /// What this turn's own rejections have left to try.
    private var rejectedLimits: InjectionLimits?
    /// The words of a rejection may be the agent's own, which the engine quotes.
    private var isDoubtful = false
    private var isProbe = false
    /// Why nothing is injected although no rejection demands it; nil if there is another reason, or something is.
    private var bareRepeat: BareRepeat?
    /// The engine has accepted the last attempt's injection.
    private var isAccepted = false
    /// An error has been looked at, so that the turn's end says nothing more.
    private(set) var hasJudgedError = false
    private var findings: [CapabilityFinding] = []

    private enum BareRepeat: Equatable {
        /// Its success shows that the injection was the reason of the failure with this status.
        case presuming(status: Int)
        /// Its success says nothing about what the engine accepts.
        case inconclusive
    }

    init(_ plan: CapabilityPlan, request: any APIRequest) {
        self.request = request
        policy = plan.policy
        key = plan.key
        prepared = plan.prepared
        profile = plan.engine.profile
        isProfileFixed = plan.engine.isFixed
        limits = plan.limits
        alternativesCap = plan.alternativesCap
        isProven = plan.isProven
        hasSucceeded = plan.hasSucceeded
        standing = plan.standing
        futileStatuses = plan.futileStatuses
        isHopeless = plan.isHopeless
    }

    // MARK: Before the first attempt

    /// The engine has not been seen to accept such an injection.
    var mayBeRejected: Bool { !isProven && !prepared.request.injection.isEmpty }

    /// The reply to this attempt shows whether the engine rejects the injection.
    var isUndecided: Bool { mayBeRejected || (bareRepeat != nil && !isAccepted) }

    /// The turn cannot be captured at the level that the operator requires.
    var isUnattainable: Bool { isHopeless || !policy.isSatisfied(by: prepared.request.bestPossibleLevel) }

    /// Starts again from a newer plan for the same request. Only before the first attempt.
    mutating func replan(_ makePlan: (any APIRequest) -> CapabilityPlan) {
        guard let request else { return }
        let plan = makePlan(request)
        prepared = plan.prepared
        profile = plan.engine.profile
        limits = plan.limits
        alternativesCap = plan.alternativesCap
        isProven = plan.isProven
        hasSucceeded = plan.hasSucceeded
        standing = plan.standing
        futileStatuses = plan.futileStatuses
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

    /// The engine generates what the attempt asked for, or has replied to it without an error.
    mutating func engineAccepted() {
        if isAccepted { return }
        isAccepted = true
        endProbe()
        if isProven { return }
        isProven = true
        switch bareRepeat {
        case .presuming: return findings.append(.presumed(leaving: .nothing, isLate: false))
        case .inconclusive: return
        case nil: break
        }
        // A turn that injected less because of an unconfirmed rejection proves nothing.
        if rejectedLimits == nil && standing != nil && standing != .shared { return }
        let limits = rejectedLimits ?? limits
        if prepared.request.injection.isEmpty && limits == InjectionLimits() { return }
        findings.append(
            isDoubtful
                ? .presumed(leaving: limits, isLate: false)
                : .accepted(prepared.request.injection, limits: limits))
    }

    /// The engine has failed before the agent got anything.
    ///
    /// - Parameter message: The error's message, as a record may hold it.
    mutating func handle(_ error: EngineError, message: String) -> RetryDecision {
        guard let request else {
            handleLate(error)
            return .passOn
        }
        hasJudgedError = true
        guard retries < Self.maximumRetries, !prepared.request.injection.isEmpty else { return .passOn }
        if let remaining = remainingLimits(after: error) {
            return retry(request, leaving: remaining, after: error, message: message)
        }
        if error.status == 500 && policy.retriesServerErrors {
            return retries == 0 ? retryBare(.inconclusive, request, message: message) : .passOn
        }
        if mayPresume(error) { return retryBare(.presuming(status: error.status), request, message: message) }
        // The agent must get the error of its own request, and not of what was added to it.
        if error.mayBeRejection,
            InjectionRejection.mayShow(prepared.request.injection, inStatus: error.status, body: error.body.span)
        {
            return retryBare(.inconclusive, request, message: message)
        }
        return .passOn
    }

    /// No retry will follow: the reply's head goes to the agent.
    mutating func endRetries() {
        if request != nil { request = nil }
    }

    /// A reply whose head has been sent is an error, or a stream that begins with one. It is too late for this turn,
    /// but not for the next.
    mutating func handleLate(_ error: EngineError) {
        hasJudgedError = true
        if prepared.request.injection.isEmpty { return }
        if let remaining = remainingLimits(after: error) {
            // What was accepted before is rejected now.
            findings += [.revoked, .presumed(leaving: remaining, isLate: true)]
        } else if !hasSucceeded && error.mayBeRejection {
            findings.append(.presumed(leaving: .nothing, isLate: true))
        }
    }

    // MARK: The end

    /// How a turn has ended, as far as that shows what the engine accepts.
    enum End {
        /// The reply is whole.
        case success
        /// The engine failed, or its reply broke off.
        case failure
        /// It shows nothing: the agent left, the time was over.
        case other
    }

    /// What the engine said when it rejected an injection, in order.
    var rejections: [String] { bareRepeat == nil || isAccepted ? messages : messages.dropLast() }

    /// What the record says of data that could not be captured.
    var problems: [ProblemCode] {
        switch bareRepeat {
        // The repeat has failed as well: nothing was rejected.
        case .presuming where !isAccepted: []
        case .inconclusive: [ProblemCode.repeatedAfterError]
        // A request for no alternatives cannot get fewer.
        default:
            effectiveLimits.problems.filter {
                $0 != .topLogprobsLowered || prepared.request.injection.topLogprobs != nil
            }
        }
    }

    /// The turn is over.
    ///
    /// - Parameters:
    ///   - recognized: The engine that its reply identifies. It also counts against what was recognized before: the
    ///     engine may have been exchanged.
    ///   - version: The engine's version as its reply states it.
    ///   - meetsRequirement: Whether a complete turn was captured as required; nil if that says nothing.
    mutating func conclude(_ end: End, recognized: EngineProfile?, version: [UInt8]?, meetsRequirement: Bool?) {
        if let recognized, !isProfileFixed { findings.append(.recognized(recognized, by: .reply)) }
        switch end {
        case .success:
            engineAccepted()
            if !prepared.request.injection.isEmpty && !hasSucceeded {
                findings.append(.succeeded(prepared.request.injection))
            }
            if standing == .late && retries == 0 { findings.append(.confirmed) }
        case .failure:
            noteFailure()
        case .other: break
        }
        if !isAccepted && rejectedLimits != nil { findings.append(.unconfirmed) }
        endProbe()
        if let version { findings.append(.version(version)) }
        if let meetsRequirement { findings.append(.requirement(isMet: meetsRequirement)) }
    }

    private mutating func noteFailure() {
        if case .presuming(let status) = bareRepeat, !isAccepted {
            findings.append(.futile(status: status))
        }
        if standing == .late && retries == 0 { findings.append(.unconfirmed) }
        // The agent has got a part of a reply that broke off, in a kind of turn that has never come to its end.
        if request == nil && !hasJudgedError && !hasSucceeded && !prepared.request.injection.isEmpty {
            findings.append(.presumed(leaving: .nothing, isLate: true))
        }
    }

    /// What has been found out since the last call, in order.
    mutating func takeFindings() -> [CapabilityFinding] {
        if findings.isEmpty { return [] }
        defer { findings = [] }
        return findings
    }

    // MARK: -

    private var effectiveLimits: InjectionLimits { limits.capped(at: alternativesCap) }

    private func prepared(_ request: any APIRequest) -> PreparedExchange {
        request.prepared(policy: policy, profile: profile, injectionLimits: effectiveLimits)
    }

    private func remainingLimits(after error: EngineError) -> InjectionLimits? {
        InjectionRejection.injectionLimits(
            afterStatus: error.status, body: error.body.span, injection: prepared.request.injection,
            injectionLimits: limits)
    }

    /// Whether a failure is worth a repeat without the injection, whatever its words.
    private func mayPresume(_ error: EngineError) -> Bool {
        !hasSucceeded && error.mayBeRejection && !futileStatuses.contains(error.status)
    }

    private mutating func recognize(_ recognized: EngineProfile, by evidence: EngineIdentity.Evidence) {
        if isProfileFixed { return }
        profile = recognized
        findings.append(.recognized(recognized, by: evidence))
    }

    /// Tries again with less, since the error names what was injected.
    private mutating func retry(
        _ request: any APIRequest, leaving remaining: InjectionLimits, after error: EngineError, message: String
    ) -> RetryDecision {
        let isQuoted = InjectionRejection.mayBeQuoted(from: request.document.body, prepared.request.injection)
        if isQuoted {
            isDoubtful = true
        } else if let recognized = error.profile {
            recognize(recognized, by: .refusal)
        }
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

    /// Tries again with nothing injected, which may or may not have been the cause: a NaN among the log-probabilities
    /// makes vLLM fail with 500.
    private mutating func retryBare(
        _ reason: BareRepeat, _ request: any APIRequest, message: String
    ) -> RetryDecision {
        let kept = limits
        limits = .nothing
        let next = prepared(request)
        guard policy.isSatisfied(by: next.request.bestPossibleLevel) else {
            limits = kept
            return .passOn
        }
        bareRepeat = reason
        return retry(with: next, message: message)
    }

    private mutating func retry(with next: PreparedExchange, message: String) -> RetryDecision {
        if next.request.injection == prepared.request.injection { return .passOn }
        messages.append(message)
        if !policy.isSatisfied(by: next.request.bestPossibleLevel) { return .refuse }
        retries += 1
        isProven = false
        hasJudgedError = false
        prepared = next
        return .retry
    }

    private mutating func endProbe() {
        if isProbe { findings.append(.probeEnded) }
        isProbe = false
    }
}
