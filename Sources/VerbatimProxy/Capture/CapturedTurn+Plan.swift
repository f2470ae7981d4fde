import VerbatimJSON
import NIOCore
import VerbatimTrace
import VerbatimAPI

/// How a request is forwarded, by what is known of the engine, and what is learned from a refusal.
extension CapturedTurn {
    /// How a request is to be forwarded, by what is known of the engine.
    struct Plan {
        let prepared: PreparedExchange
        let injectionLimits: InjectionLimits
        let isCapabilityKnown: Bool
        let profile: EngineProfile
        /// Whether it rests on what another turn has presumed.
        var isTentative = false
    }

    static func plan(
        _ request: any APIRequest, policy: RequestPolicy, knowledge: CapabilityCache,
        at now: NIODeadline
    ) -> Plan {
        let profile = knowledge.profile
        var prepared = request.prepared(policy: policy, profile: profile, injectionLimits: InjectionLimits())
        let capabilityKey = capabilityKey(of: prepared.request)
        guard let verdict = knowledge.verdict(for: capabilityKey, at: now) else {
            return Plan(
                prepared: prepared, injectionLimits: InjectionLimits(), isCapabilityKnown: false, profile: profile)
        }
        if verdict.injectionLimits != InjectionLimits() {
            prepared = request.prepared(policy: policy, profile: profile, injectionLimits: verdict.injectionLimits)
        }
        return Plan(
            prepared: prepared, injectionLimits: verdict.injectionLimits,
            isCapabilityKnown: verdict.taken.covers(prepared.request.injection), profile: profile,
            isTentative: verdict.isTentative)
    }

    static func capabilityKey(
        of prepared: PreparedRequest
    ) -> CapabilityCache.CapabilityKey {
        CapabilityCache.CapabilityKey(
            api: prepared.engineAPI, model: CapabilityCache.CapabilityKey.key(ofModel: prepared.model),
            isStream: prepared.isStream, hasTools: prepared.hasTools,
            effort: CapabilityCache.CapabilityKey.key(ofModel: prepared.effort))
    }

    var capabilityKey: CapabilityCache.CapabilityKey {
        Self.capabilityKey(of: prepared)
    }

    mutating func recognise(_ profile: EngineProfile, by evidence: CapabilityCache.Evidence) {
        knowledge.recognise(profile, by: evidence)
        self.profile = knowledge.profile
        reader.use(self.profile)
    }

    func nextAllowance(afterStatus status: Int, body: [UInt8]) -> InjectionLimits? {
        InjectionRejection.injectionLimits(
            afterStatus: status, body: body.span, injection: prepared.injection, injectionLimits: injectionLimits)
    }

    /// What is to be done about an answer that may be a refusal of what was injected.
    enum Remedy {
        /// It is the agent's.
        case none
        /// A further attempt has been prepared.
        case retry
        /// A further attempt would capture less than is required.
        case refuse(engineSaid: String)
    }

    /// Prepares a further attempt if the engine has refused what was injected and something else can be tried.
    mutating func remedy(afterStatus status: Int, body: [UInt8], at now: NIODeadline) -> Remedy {
        guard extraAttempts < 2, let request else { return .none }
        let words = facts.secrets.masked(Self.words(of: body))
        guard let next = nextAllowance(afterStatus: status, body: body) else {
            return status == 500 && facts.policy.retriesServerErrors ? attempt(request, withNothingAfter: words) : .none
        }
        if let recognised = EngineRecognition.profile(forRefusal: String(decoding: body.prefix(4096), as: UTF8.self)) {
            recognise(recognised, by: .refusal)
        }
        // An engine that has just been recognised may take the same under another name.
        var retry = request.prepared(policy: facts.policy, profile: profile, injectionLimits: injectionLimits)
        if retry.request.injection == prepared.injection {
            lesson = next
            // The last attempt must not fail for the injection's sake, so that it has none. What may be possible still
            // is for the next turn to try.
            injectionLimits = extraAttempts == 1 ? .nothing : next
            retry = request.prepared(policy: facts.policy, profile: profile, injectionLimits: injectionLimits)
            if retry.request.injection != prepared.injection { knowledge.presume(next, for: capabilityKey, at: now) }
        }
        endTrial()
        return attempt(retry, engineSaid: words)
    }

    /// After a failure that may or may not have to do with the injection: a NaN among the log-probabilities makes vLLM
    /// fail so. Nothing is learned from it.
    private mutating func attempt(_ request: any APIRequest, withNothingAfter words: String) -> Remedy {
        guard extraAttempts == 0, !prepared.injection.isEmpty else { return .none }
        injectionLimits = .nothing
        learnsNothing = true
        let retry = request.prepared(policy: facts.policy, profile: profile, injectionLimits: injectionLimits)
        return facts.policy.isSatisfied(by: retry.request.bestPossibleLevel) ? attempt(retry, engineSaid: words) : .none
    }

    private mutating func attempt(_ retry: PreparedExchange, engineSaid words: String) -> Remedy {
        if retry.request.injection == prepared.injection { return .none }
        refusals.append(words)
        if !facts.policy.isSatisfied(by: retry.request.bestPossibleLevel) { return .refuse(engineSaid: words) }
        extraAttempts += 1
        isCapabilityKnown = false
        use(retry)
        held = ByteBuffer()
        headStatus = nil
        passedProblem = nil
        engineIsUntilClose = false
        phase = .waiting
        return .retry
    }

    private mutating func use(_ prepared: PreparedExchange) {
        self.prepared = prepared.request
        reader = StreamReader(reply: prepared.reply, maximumEventSize: facts.maximumEventSize)
    }

    // MARK: Trials

    /// Whether it is not known yet that the engine takes what is to be injected.
    var needsTrial: Bool { !isCapabilityKnown && !prepared.injection.isEmpty }

    /// Plans anew by what others have found out. Only before the first attempt.
    mutating func planAgain(at now: NIODeadline) {
        guard let request else { return }
        let plan = Self.plan(
            request, policy: facts.policy, knowledge: knowledge, at: now)
        use(plan.prepared)
        injectionLimits = plan.injectionLimits
        isCapabilityKnown = plan.isCapabilityKnown
        isTentative = plan.isTentative
        profile = plan.profile
    }

    /// Lets the turns go on that wait for what this one finds out.
    mutating func endTrial() {
        if isTrial { knowledge.trials.end(capabilityKey) }
        isTrial = false
    }

    // MARK: Requirement

    /// Ends the turn before anything is sent if it would capture less than is required.
    mutating func refuseIfUnsatisfying(at now: NIODeadline) -> Action? {
        let isKnown = facts.policy.requirement != nil && knowledge.isHopeless(capabilityKey, at: now)
        return facts.policy.isSatisfied(by: prepared.bestPossibleLevel) && !isKnown ? nil : refuse()
    }

    mutating func refuse(engineSaid words: String? = nil) -> Action {
        let required = facts.policy.requirement?.rawValue ?? "-"
        return conclude(
            outcome: .refused,
            then: .error(
                .captureUnavailable(required: required, engine: profile.name, api: facts.api, words: words)),
            closesEngine: true)
    }

    mutating func attemptWasSent(at now: NIODeadline) {
        forwardedAt = now
        lastByteAt = now
    }

    mutating func settleVerdict(at now: NIODeadline) {
        // Who asked for less because of a presumption has not shown that more is refused.
        let isOwnFinding = !isTentative || lesson != nil
        if !isCapabilityKnown && !learnsNothing && isOwnFinding {
            knowledge.settle(lesson ?? injectionLimits, taking: prepared.injection, for: capabilityKey, at: now)
        }
        isCapabilityKnown = true
        hasSettled = true
        endTrial()
    }

    /// The message of an error, in whatever shape it comes; at most 500 characters of it.
    static func words(of error: [UInt8]) -> String {
        let text = error.span
        guard let object = try? JSONObject(document: text) else {
            return String(String(decoding: error.prefix(2000), as: UTF8.self).prefix(500))
        }
        if let inner = object.value("error", in: text), inner.kind == .object || inner.kind == .string {
            return inner.string(in: text) ?? words(of: inner.bytes(in: text))
        }
        let message = object.value("message", in: text) ?? object.value("detail", in: text)
        return String((message?.string(in: text) ?? String(decoding: error.prefix(2000), as: UTF8.self)).prefix(500))
    }

    /// The `code` of an error event, which stands for the status it would have had.
    static func status(of error: [UInt8]) -> Int {
        let text = error.span
        let object = try? JSONObject(document: text)
        return object?.value("code", in: text)?.int(in: text) ?? 400
    }
}
