import NIOCore
import Synchronization
import Testing
import VerbatimAPI

@testable import VerbatimProxy

/// What the cache keeps of the turns' findings, for how long, and for which requests.
@Suite("Capability cache and probes") struct CapabilityCacheTests {
    private static let start = NIODeadline.uptimeNanoseconds(0)

    private static func cache(fixed: EngineProfile? = nil, host: String = "engine") -> CapabilityCache {
        CapabilityCache(fixed: fixed, host: host, lifetime: .minutes(10)) { _, _ in }
    }

    private static func key(_ model: String = "m") -> CapabilityKey {
        CapabilityKey(api: .chatCompletions, model: model, isStream: false, hasTools: false, effort: "")
    }

    private static let injection: Injection = {
        var injection = Injection()
        injection.topLogprobs = 5
        return injection
    }()

    private static let withoutIDs: InjectionLimits = {
        var limits = InjectionLimits()
        limits.tokenIDs = false
        return limits
    }()

    // MARK: Capabilities

    @Test("An accepted injection without limits is trusted as long as it is used")
    func acceptedWithoutLimits() {
        let cache = Self.cache()
        let accepted = CapabilityFinding.accepted(Self.injection, limits: InjectionLimits())
        cache.note(accepted, for: Self.key(), in: "s", at: Self.start)
        cache.note(accepted, for: Self.key(), in: "s", at: Self.start + .minutes(9))
        #expect(
            cache.knowledge(of: Self.key(), in: "s", at: Self.start + .minutes(18)).capability?.accepted
                == Self.injection)
        #expect(cache.knowledge(of: Self.key(), in: "s", at: Self.start + .minutes(19)).capability == nil)
        #expect(cache.knowledge(of: Self.key("other"), in: "s", at: Self.start).capability == nil)
    }

    @Test("A limit expires however much it is used, so that it is tested again")
    func limitsExpire() {
        let cache = Self.cache()
        let accepted = CapabilityFinding.accepted(Self.injection, limits: Self.withoutIDs)
        cache.note(accepted, for: Self.key(), in: "s", at: Self.start)
        cache.note(accepted, for: Self.key(), in: "s", at: Self.start + .minutes(9))
        #expect(
            cache.knowledge(of: Self.key(), in: "s", at: Self.start + .minutes(9)).capability?.limits == Self.withoutIDs
        )
        #expect(cache.knowledge(of: Self.key(), in: "s", at: Self.start + .minutes(10)).capability == nil)
    }

    @Test("A rejection is tentative, and expires soon")
    func rejectionsAreTentative() {
        let cache = Self.cache()
        cache.note(.rejected(leaving: Self.withoutIDs), for: Self.key(), in: "s", at: Self.start)
        let capability = cache.knowledge(of: Self.key(), in: "s", at: Self.start + .seconds(29)).capability
        #expect(capability?.standing == .tentative && capability?.limits == Self.withoutIDs)
        #expect(cache.knowledge(of: Self.key(), in: "s", at: Self.start + .seconds(30)).capability == nil)
    }

    @Test("A rejection does not replace what is known, and is confirmed by what is accepted")
    func confirmation() {
        let cache = Self.cache()
        cache.note(.rejected(leaving: Self.withoutIDs), for: Self.key(), in: "s", at: Self.start)
        cache.note(.rejected(leaving: .nothing), for: Self.key(), in: "s", at: Self.start)
        #expect(cache.knowledge(of: Self.key(), in: "s", at: Self.start).capability?.limits == Self.withoutIDs)
        cache.note(.accepted(Self.injection, limits: Self.withoutIDs), for: Self.key(), in: "s", at: Self.start)
        #expect(cache.knowledge(of: Self.key(), in: "s", at: Self.start + .minutes(9)).capability?.standing == .shared)
        cache.note(.unconfirmed, for: Self.key(), in: "s", at: Self.start)
        #expect(cache.knowledge(of: Self.key(), in: "s", at: Self.start).capability != nil)
        cache.note(.revoked, for: Self.key(), in: "s", at: Self.start)
        #expect(cache.knowledge(of: Self.key(), in: "s", at: Self.start).capability == nil)
    }

    @Test("An unconfirmed rejection is forgotten")
    func unconfirmed() {
        let cache = Self.cache()
        cache.note(.rejected(leaving: Self.withoutIDs), for: Self.key(), in: "s", at: Self.start)
        cache.note(.unconfirmed, for: Self.key(), in: "s", at: Self.start)
        #expect(cache.knowledge(of: Self.key(), in: "s", at: Self.start).capability == nil)
    }

    @Test("A new version of the engine invalidates what is known of its model")
    func versions() {
        let cache = Self.cache()
        let accepted = CapabilityFinding.accepted(Self.injection, limits: Self.withoutIDs)
        for model in ["m", "other"] {
            cache.note(.version([1]), for: Self.key(model), in: "s", at: Self.start)
            cache.note(accepted, for: Self.key(model), in: "s", at: Self.start)
        }
        cache.note(.version([1]), for: Self.key(), in: "s", at: Self.start)
        #expect(cache.knowledge(of: Self.key(), in: "s", at: Self.start).capability != nil)
        cache.note(.version([2]), for: Self.key(), in: "s", at: Self.start)
        #expect(cache.knowledge(of: Self.key(), in: "s", at: Self.start).capability == nil)
        #expect(cache.knowledge(of: Self.key("other"), in: "s", at: Self.start).capability != nil)
    }

    @Test("After two shortfalls in a row a session's turns are refused, but for one now and then")
    func shortfalls() {
        let cache = Self.cache()
        let short = CapabilityFinding.requirement(isMet: false)
        func refuses(_ session: String = "s", _ seconds: Int64 = 0) -> Bool {
            cache.refuses(Self.key(), in: session, at: Self.start + .seconds(seconds))
        }
        cache.note(short, for: Self.key(), in: "s", at: Self.start)
        #expect(!refuses())
        cache.note(short, for: Self.key(), in: "s", at: Self.start)
        #expect(refuses("s", 29) && !refuses("s", 30) && refuses("s", 31))
        #expect(!refuses("other") && !cache.refuses(Self.key("other"), in: "s", at: Self.start))
        // However soon they come, every eighth is let through.
        let trials = (2...17).filter { _ in !refuses("s", 31) }
        #expect(trials == [8, 16])
        // One more shortfall, and they are refused again at once; a success, and they are not.
        cache.note(short, for: Self.key(), in: "s", at: Self.start + .seconds(40))
        #expect(refuses("s", 41))
        cache.note(.requirement(isMet: true), for: Self.key(), in: "s", at: Self.start + .seconds(41))
        #expect(!refuses("s", 41))
        cache.note(short, for: Self.key(), in: "s", at: Self.start + .seconds(42))
        #expect(!refuses("s", 42))
    }

    @Test("Capabilities and shortfalls are bounded, and those that expire first are dropped") func bounds() {
        let cache = Self.cache()
        for index in 0...CapabilityCache.capacity {
            let now = Self.start + .seconds(Int64(index))
            let key = Self.key("m\(index)")
            cache.note(.accepted(Injection(), limits: Self.withoutIDs), for: key, in: "s", at: now)
            for _ in 1...2 { cache.note(.requirement(isMet: false), for: key, in: "s", at: now) }
        }
        #expect(cache.knowledge(of: Self.key("m0"), in: "s", at: Self.start).capability == nil)
        #expect(!cache.refuses(Self.key("m0"), in: "s", at: Self.start))
        for index in [1, CapabilityCache.capacity] {
            #expect(cache.knowledge(of: Self.key("m\(index)"), in: "s", at: Self.start).capability != nil)
            #expect(cache.refuses(Self.key("m\(index)"), in: "s", at: Self.start))
        }
    }

    @Test("A key holds a bounded part of the model's name") func longNames() {
        #expect(Self.key(String(repeating: "m", count: 1 << 20)).model.count == 256)
    }

    // MARK: The engine

    @Test("The engine is recognized by its host, then by what it sends; the operator's choice takes precedence")
    func recognition() {
        let recognized = Mutex<[String]>([])
        let cache = CapabilityCache(fixed: nil, host: "api.openai.com", lifetime: .minutes(10)) { profile, evidence in
            recognized.withLock { $0.append("\(profile.name) \(evidence.rawValue)") }
        }
        #expect(cache.engine(of: "m") == EngineIdentity(profile: .openAI, evidence: .host))
        cache.note(.recognized(.openAI, by: .header), for: Self.key(), in: "s", at: Self.start)
        #expect(cache.engine(of: "m").evidence == .host)
        for _ in 1...2 { cache.note(.recognized(.vllm, by: .reply), for: Self.key(), in: "s", at: Self.start) }
        #expect(cache.engine(of: "m") == EngineIdentity(profile: .vllm, evidence: .reply))
        #expect(cache.engine(of: "other").evidence == .host)
        #expect(recognized.withLock(\.self) == ["vllm reply"])

        let unknown = Self.cache()
        #expect(unknown.engine(of: "m") == EngineIdentity(profile: .generic, evidence: nil) && unknown.isUnrecognized)
        unknown.recognize(.llamaCpp, by: .models, of: "l")
        #expect(unknown.engine(of: "l").profile == .llamaCpp && unknown.engine(of: "m").profile == .generic)
        unknown.recognize(.vllm, by: .models, of: nil)
        #expect(unknown.engine(of: "l").profile == .llamaCpp && unknown.engine(of: "m").profile == .vllm)
        let fixed = Self.cache(fixed: .sglang)
        fixed.recognize(.vllm, by: .models, of: nil)
        #expect(fixed.engine(of: "m") == EngineIdentity(profile: .sglang, evidence: .setting) && !fixed.isUnrecognized)
    }

    @Test("An engine with other fields invalidates the known capabilities")
    func anotherEngine() {
        let cache = Self.cache()
        cache.note(.recognized(.vllm, by: .reply), for: Self.key(), in: "s", at: Self.start)
        cache.note(.accepted(Self.injection, limits: InjectionLimits()), for: Self.key(), in: "s", at: Self.start)
        cache.note(.recognized(.llamaCpp, by: .reply), for: Self.key(), in: "s", at: Self.start)
        #expect(cache.knowledge(of: Self.key(), in: "s", at: Self.start).capability == nil)
    }

    // MARK: Probes

    @Test("One turn probes, and the others wait for its end, but not longer than the longest wait")
    func probes() {
        let probes = CapabilityProbes(maxWait: .seconds(1))
        let resumed = Atomic(0)
        func join(_ key: CapabilityKey, _ milliseconds: Int64) -> CapabilityProbes.Role {
            probes.join(key, at: Self.start + .milliseconds(milliseconds)) {
                resumed.add(1, ordering: .relaxed)
            }
        }
        #expect(join(Self.key(), 0) == .probe)
        #expect(join(Self.key("other"), 0) == .probe)
        #expect(join(Self.key(), 0) == .wait(until: Self.start + .seconds(1)))
        #expect(join(Self.key(), 999) == .wait(until: Self.start + .seconds(1)))
        #expect(join(Self.key(), 1000) == .proceed)
        #expect(resumed.load(ordering: .relaxed) == 0)
        probes.end(Self.key())
        #expect(resumed.load(ordering: .relaxed) == 2)
        probes.end(Self.key())
        #expect(resumed.load(ordering: .relaxed) == 2)
        #expect(join(Self.key(), 1000) == .probe)
    }

    @Test("The end of a probe that a turn reports resumes those that wait")
    func aFindingEndsTheProbe() {
        let cache = Self.cache()
        let resumed = Atomic(0)
        _ = cache.probes.join(Self.key(), at: Self.start) {}
        _ = cache.probes.join(Self.key(), at: Self.start) { resumed.add(1, ordering: .relaxed) }
        cache.note(.probeEnded, for: Self.key(), in: "s", at: Self.start)
        #expect(resumed.load(ordering: .relaxed) == 1)
    }
}
