import JSONBytes
import NIOCore
import Wire

/// How a request is forwarded, by what is known of the engine, and what is learned from a refusal.
extension CapturedTurn {
    /// How a request is to be forwarded, by what is known of the engine.
    struct Plan {
        let prepared: PreparedRequest
        let allowance: Allowance
        let isVerdictKnown: Bool
        let profile: EngineProfile
    }

    static func plan(
        _ request: any DialectRequest, policy: RequestPolicy, knowledge: EngineKnowledge, dialect: Dialect,
        at now: NIODeadline
    ) -> Plan {
        let profile = knowledge.profile
        var prepared = request.prepared(policy: policy, profile: profile, allowance: Allowance())
        let circumstances = circumstances(of: prepared, dialect: dialect)
        guard let verdict = knowledge.verdict(for: circumstances, at: now) else {
            return Plan(prepared: prepared, allowance: Allowance(), isVerdictKnown: false, profile: profile)
        }
        if verdict.allowance != Allowance() {
            prepared = request.prepared(policy: policy, profile: profile, allowance: verdict.allowance)
        }
        return Plan(
            prepared: prepared, allowance: verdict.allowance,
            isVerdictKnown: verdict.taken.covers(prepared.injection), profile: profile)
    }

    static func circumstances(
        of prepared: PreparedRequest, dialect: Dialect
    ) -> EngineKnowledge.Circumstances {
        EngineKnowledge.Circumstances(
            dialect: dialect, model: prepared.model, isStream: prepared.isStream, hasTools: prepared.hasTools)
    }

    var circumstances: EngineKnowledge.Circumstances {
        Self.circumstances(of: prepared, dialect: facts.dialect)
    }

    mutating func recognise(_ profile: EngineProfile) {
        knowledge.recognise(profile)
        self.profile = knowledge.profile
        reader.use(self.profile)
    }

    func nextAllowance(afterStatus status: Int, body: [UInt8]) -> Allowance? {
        Refusal.allowance(
            afterStatus: status, body: body.span, injection: prepared.injection, allowance: allowance)
    }

    /// Prepares a further attempt if the engine has refused what was injected and something else can be tried.
    mutating func prepareRetry(afterStatus status: Int, body: [UInt8]) -> Bool {
        guard extraAttempts < 2, let next = nextAllowance(afterStatus: status, body: body) else { return false }
        if let recognised = EngineRecognition.profile(forRefusal: String(decoding: body.prefix(4096), as: UTF8.self)) {
            recognise(recognised)
        }
        // An engine that has just been recognised may take the same under another name.
        var retry = request.prepared(policy: facts.policy, profile: profile, allowance: allowance)
        if retry.injection == prepared.injection {
            lesson = next
            // The last attempt must not fail for the injection's sake, so that it has none. What may be possible still
            // is for the next turn to try.
            allowance = extraAttempts == 1 ? .nothing : next
            retry = request.prepared(policy: facts.policy, profile: profile, allowance: allowance)
        }
        if retry.injection == prepared.injection { return false }
        extraAttempts += 1
        isVerdictKnown = false
        prepared = retry
        reader = StreamReader(reply: retry.reply, maximumEventSize: facts.maximumEventSize)
        held = ByteBuffer()
        headStatus = nil
        phase = .waiting
        return true
    }

    mutating func attemptWasSent(at now: NIODeadline) {
        forwardedAt = now
        lastByteAt = now
    }

    mutating func settleVerdict(at now: NIODeadline) {
        if !isVerdictKnown {
            knowledge.settle(lesson ?? allowance, taking: prepared.injection, for: circumstances, at: now)
        }
        isVerdictKnown = true
    }

    /// The `code` of an error event, which stands for the status it would have had.
    static func status(of error: [UInt8]) -> Int {
        let text = error.span
        let object = try? JSONObject(document: text)
        return object?.value("code", in: text)?.int(in: text) ?? 400
    }
}
