import NIOCore
import Testing
import VerbatimAPI

@testable import VerbatimProxy

/// What single sessions find out, and when it holds for all.
@Suite("Verdicts of sessions") struct SessionVerdictTests {
    private static let start = NIODeadline.uptimeNanoseconds(0)
    private static let presumed = CapabilityFinding.presumed(leaving: .nothing, isLate: false)
    private static let late = CapabilityFinding.presumed(leaving: .nothing, isLate: true)

    private let cache = CapabilityCache(fixed: .vllm, host: "engine", lifetime: .minutes(10)) { _, _ in }

    private static func key(_ api: API = .chatCompletions, stream: Bool = false) -> CapabilityKey {
        CapabilityKey(api: api, model: "m", isStream: stream, hasTools: false, effort: "")
    }

    private func note(_ finding: CapabilityFinding, _ session: String, _ seconds: Int64 = 0) {
        cache.note(finding, for: Self.key(), in: session, at: Self.start + .seconds(seconds))
    }

    private func standing(_ session: String, _ seconds: Int64 = 0) -> CachedCapability.Standing? {
        cache.knowledge(of: Self.key(), in: session, at: Self.start + .seconds(seconds)).capability?.standing
    }

    @Test("A rejection that is not confirmed holds for its session only") func tentative() {
        note(.rejected(leaving: .nothing), "a")
        #expect(standing("a") == .tentative && standing("b") == nil)
        note(.rejected(leaving: .nothing), "b")
        #expect(standing("c") == nil)
    }

    @Test("What a session presumes is tested again soon, and later each time it is found again") func presumptions() {
        note(Self.presumed, "a")
        #expect(standing("a", 29) == .own && standing("a", 30) == nil && standing("b") == nil)
        note(Self.presumed, "a", 30)
        #expect(standing("a", 89) == .own && standing("a", 90) == nil)
        #expect(standing("b", 90) == nil)
    }

    @Test("What a second session finds as well holds for all") func secondSession() {
        note(Self.presumed, "a")
        note(Self.presumed, "b", 60)
        #expect(standing("c", 60) == .shared && standing("c", 659) == .shared && standing("c", 660) == nil)
    }

    @Test("A late failure counts for the second session only if a turn without the injection has succeeded")
    func lateFailures() {
        note(Self.late, "a")
        note(Self.late, "b")
        #expect(standing("a", 29) == .late && standing("a", 30) == nil && standing("c") == nil)
        note(.confirmed, "a", 1)
        #expect(standing("c", 1) == nil)
        note(.confirmed, "b", 1)
        #expect(standing("c", 1) == .shared)
    }

    @Test("A further test of a late failure would cost a reply, so that a second one counts for long")
    func repeatedLateFailures() {
        note(Self.late, "a")
        note(Self.late, "a", 31)
        #expect(standing("a", 600) == .late)
        note(.unconfirmed, "a", 600)
        #expect(standing("a", 600) == nil)
    }

    @Test("A rejection that the engine names holds for all, unless others are accepted with more")
    func contradiction() {
        var injection = Injection()
        injection.topLogprobs = 5
        note(.accepted(Injection(), limits: .nothing), "a")
        #expect(standing("b") == .shared)

        note(.revoked, "a")
        note(.accepted(injection, limits: InjectionLimits()), "b")
        note(.accepted(Injection(), limits: .nothing), "a")
        let others = cache.knowledge(of: Self.key(), in: "b", at: Self.start).capability
        #expect(others?.limits == InjectionLimits() && standing("a") == .own)
        note(.accepted(Injection(), limits: .nothing), "c")
        #expect(cache.knowledge(of: Self.key(), in: "b", at: Self.start).capability?.limits == .nothing)
    }

    @Test("Failures that a repeat has shown to have another cause are not repeated for some time") func futility() {
        func statuses(_ session: String, _ seconds: Int64) -> Set<Int> {
            Set(cache.knowledge(of: Self.key(), in: session, at: Self.start + .seconds(seconds)).futileStatuses)
        }
        note(.futile(status: 400), "a")
        note(.futile(status: 503), "a")
        note(.futile(status: EngineError.hangUpStatus), "a")
        // One session may have provoked them.
        #expect(statuses("a", 29) == [400, 503, 0] && statuses("b", 29) == [] && statuses("a", 30) == [])
        note(.futile(status: 400), "b")
        note(.futile(status: 503), "b")
        // What an engine does to two, it does to all. An error about a request is its session's.
        #expect(statuses("c", 29) == [503] && statuses("b", 29) == [400, 503] && statuses("c", 30) == [])
        note(.futile(status: 503), "a", 30)
        #expect(statuses("a", 89) == [503] && statuses("c", 89) == [] && statuses("a", 90) == [])
        cache.note(.succeeded(Injection()), for: Self.key(), in: "a", at: Self.start)
        #expect(statuses("b", 31) == [])
    }

    // MARK: Alternatives

    private func injected(_ api: API, stream: Bool) throws -> Int? {
        let input = api == .responses ? #""input":"x""# : #""messages":[]"#
        let request = try APIRegistry.request(
            to: api, body: Array(#"{"model":"m",\#(input),"stream":\#(stream)}"#.utf8))
        let plan = CapabilityPlan(
            request, policy: RequestPolicy(), session: "s", capabilities: cache, at: Self.start)
        return plan.prepared.request.injection.topLogprobs
    }

    @Test("How many alternatives the engine allows is learned for a model, whatever the API") func alternatives() throws
    {
        // Nothing is tried out where the engine would break off.
        #expect(try injected(.responses, stream: true) == 0)
        #expect(try injected(.responses, stream: false) == 5)
        var injection = Injection()
        injection.topLogprobs = 5
        note(.accepted(injection, limits: InjectionLimits()), "a")
        #expect(try injected(.responses, stream: true) == 5)
        var limits = InjectionLimits()
        limits.maximumTopLogprobs = 3
        injection.topLogprobs = 3
        let key = Self.key(stream: true)
        cache.note(.accepted(injection, limits: limits), for: key, in: "a", at: Self.start)
        #expect(try injected(.responses, stream: true) == 3)
        #expect(try injected(.responses, stream: false) == 3)
        #expect(try injected(.chatCompletions, stream: false) == 3)
    }
}
