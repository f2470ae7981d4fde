import Foundation
import Testing

@testable import VerbatimSessions

func turnUse(
    _ session: String = "r", prompt: Int = 10, completion: Int = 5, at time: Double = 0
) -> TurnUse {
    TurnUse(
        session: session, parent: session == "r" ? nil : "r", turn: 1, outcome: "completed",
        problems: ["usage_missing"],
        promptTokens: prompt, completionTokens: completion, isEstimated: false, started: time)
}

func terms(_ body: String) throws -> RolloutTerms { try RolloutTerms.read(Array(body.utf8)).terms }

@Suite("A rollout's state")
struct RolloutTests {
    private func rollout(_ body: String = "{}") throws -> Rollout {
        Rollout(id: "r", created: 100, terms: try terms(body))
    }

    @Test(
        "A limit that is reached keeps the next turn out",
        arguments: [
            ("calls", #""calls":2"#), ("prompt_tokens", #""prompt_tokens":20"#),
            ("completion_tokens", #""completion_tokens":10"#), ("total_tokens", #""total_tokens":30"#),
        ])
    func limits(name: String, budget: String) throws {
        for mode in Budgets.Mode.allCases {
            var rollout = try rollout(#"{"budgets":{\#(budget),"mode":"\#(mode.rawValue)"}}"#)
            for _ in 0..<2 {
                guard case .admitted = rollout.begin(at: 100) else {
                    Issue.record("refused too early")
                    return
                }
                rollout.end(turnUse())
            }
            #expect(rollout.begin(at: 100) == .budget(Budgets.Excess(limit: name, mode: mode)))
            #expect(rollout.running == 0 && rollout.use.turns == 2)
        }
    }

    @Test("Running turns count as calls, so that concurrent ones cannot exceed the limit")
    func concurrentCalls() throws {
        var rollout = try rollout(#"{"budgets":{"calls":3}}"#)
        let admissions = (0..<5).map { _ in rollout.begin(at: 100) }
        #expect(admissions.filter { $0 == .admitted(maximumTokens: nil, deadline: nil) }.count == 3)
        // A turn that leaves no record gives its place back.
        rollout.end(nil)
        #expect(rollout.begin(at: 100) == .admitted(maximumTokens: nil, deadline: nil))
    }

    @Test("Time counts from the first call, and silence from the last")
    func time() throws {
        var rollout = try rollout(#"{"budgets":{"wall_clock_s":60,"idle_s":30}}"#)
        #expect(rollout.begin(at: 500) == .admitted(maximumTokens: nil, deadline: 560))
        rollout.end(turnUse(at: 500))
        #expect(rollout.begin(at: 529.9) == .admitted(maximumTokens: nil, deadline: 560))
        rollout.end(turnUse(at: 529.9))
        #expect(rollout.begin(at: 559.9) == .budget(Budgets.Excess(limit: "idle_s", mode: .stop)))
        #expect(rollout.begin(at: 560) == .budget(Budgets.Excess(limit: "wall_clock_s", mode: .stop)))
    }

    @Test("In the mode cut a turn may generate what is left")
    func cut() throws {
        var rollout = try rollout(#"{"budgets":{"completion_tokens":12,"total_tokens":100,"mode":"cut"}}"#)
        #expect(rollout.begin(at: 0) == .admitted(maximumTokens: 12, deadline: nil))
        rollout.end(turnUse(prompt: 10, completion: 5))
        #expect(rollout.begin(at: 0) == .admitted(maximumTokens: 7, deadline: nil))
        rollout.end(turnUse(prompt: 80, completion: 1))
        #expect(rollout.begin(at: 0) == .admitted(maximumTokens: 4, deadline: nil))
    }

    @Test("A key's time ends")
    func lifetime() throws {
        var rollout = try rollout(#"{"ttl_s":10}"#)
        #expect(rollout.begin(at: 109.9) == .admitted(maximumTokens: nil, deadline: nil))
        #expect(rollout.begin(at: 110) == .expired)
    }

    @Test("No turn begins while a rollout is sealed, and those that come count as late")
    func seal() throws {
        var rollout = try rollout()
        _ = rollout.begin(at: 0)
        rollout.startSealing()
        #expect(rollout.begin(at: 0) == .late && rollout.stateName == "open")
        rollout.stopSealing()
        rollout.end(turnUse())
        #expect(rollout.begin(at: 0) == .admitted(maximumTokens: nil, deadline: nil))
        rollout.end(nil)
        rollout.startSealing()
        rollout.seal(Snapshot(id: "s", turns: 1, tokens: 5, bytes: 9, sha256: "00"))
        rollout.stopSealing()
        #expect(rollout.stateName == "late" && rollout.begin(at: 0) == .late && rollout.late == 2)
    }

    @Test("Only what was read may be deleted, unless it is forced")
    func deletion() throws {
        var open = try rollout()
        #expect(throws: SessionsError.self) { try open.startDeleting(snapshot: nil, isForced: false) }
        #expect(throws: SessionsError.self) { try open.startDeleting(snapshot: "s", isForced: false) }
        #expect(throws: SessionsError.self) { try open.startDeleting(snapshot: "s", isForced: true) }
        _ = open.begin(at: 0)
        #expect(throws: SessionsError.self) { try open.startDeleting(snapshot: nil, isForced: true) }
        open.end(nil)
        try open.startDeleting(snapshot: nil, isForced: true)
        #expect(open.begin(at: 0) == .late)

        var sealed = try rollout()
        sealed.seal(Snapshot(id: "s", turns: 0, tokens: 0, bytes: 0, sha256: "00"))
        #expect {
            try sealed.startDeleting(snapshot: "t", isForced: false)
        } throws: {
            ($0 as? SessionsError)?.kind == .preconditionFailed
        }
        try sealed.startDeleting(snapshot: "s", isForced: false)
    }
}

@Suite("What a trainer says")
struct SessionRequestTests {
    @Test(
        "Terms that are wrong are refused, with the name of the field",
        arguments: [
            (#"{"metadata":1}"#, "metadata"), (#"{"budgets":[]}"#, "budgets"), (#"{"budgets":{"calls":-1}}"#, "calls"),
            (#"{"budgets":{"calls":1.5}}"#, "calls"), (#"{"budgets":{"tokens":1}}"#, "budgets.tokens"),
            (#"{"budgets":{"mode":"x"}}"#, "stop, error, cut"), (#"{"ttl_s":"1"}"#, "ttl_s"), ("[]", "object"),
            (#"{"sampling":"x"}"#, "sampling"), (#"{"upstream":"http://x"}"#, "upstream"), ("{", "JSON"),
            (#"{"session_id":7}"#, "session_id"),
        ])
    func wrongTerms(body: String, named: String) {
        #expect {
            try RolloutTerms.read(Array(body.utf8))
        } throws: { error in
            guard let error = error as? SessionsError else { return false }
            return error.kind == .invalid && error.message.contains(named)
        }
    }

    @Test("Null stands for a field that is not there, and no body for an empty one")
    func absentTerms() throws {
        #expect(try terms(#"{"metadata":null,"budgets":null,"ttl_s":null}"#) == RolloutTerms())
        #expect(try terms("") == RolloutTerms())
    }

    @Test("The last value of a key counts, and all are kept")
    func annotations() throws {
        var annotations = Annotations()
        try annotations.set(Array(#"{"reward":0.5,"note":{"a":[1, 2]}}"#.utf8), at: 1)
        try annotations.set(Array(#"{"turn":3,"session_id":"r:a","reward":1}"#.utf8), at: 2)
        try annotations.set(Array(#"{"reward":-2}"#.utf8), at: 3)
        #expect(annotations.value("reward") == Array("-2".utf8))
        #expect(annotations.latest.map(\.key) == ["reward", "note", "reward"] && annotations.history.count == 4)
        for wrong in ["{}", #"{"turn":1}"#, #"{"turn":0,"a":1}"#, #"{"reward":"x"}"#, #"{"role":1}"#] {
            #expect(throws: SessionsError.self) { try annotations.set(Array(wrong.utf8), at: 4) }
        }
        #expect(annotations.history.count == 4)
    }

    @Test("The annotations of a rollout have a bound")
    func manyAnnotations() throws {
        var annotations = Annotations()
        let body = Array(#"{"note":"\#(String(repeating: "x", count: 100_000))"}"#.utf8)
        for _ in 0..<10 { try annotations.set(body, at: 0) }
        #expect(throws: SessionsError.self) { try annotations.set(body, at: 0) }
    }

    @Test("A key names its rollout, and another key has another hash")
    func keys() {
        for id in ["r", "a.b.c", "x:y@z+1=~", String(repeating: "a", count: 200)] {
            let key = RolloutKey.mint(for: id)
            #expect(RolloutKey.rollout(of: key[...]) == id)
            #expect(RolloutKey.hash(key[...]) != RolloutKey.hash(RolloutKey.mint(for: id)[...]))
        }
        for text in ["", "vk1.", "vk1.r", "vk1.r.123", "sk-1234", "vk1" + String(repeating: "a", count: 60)] {
            #expect(RolloutKey.rollout(of: text[...]) == nil)
        }
    }

    @Test("A file holds everything, byte for byte the same when written again")
    func file() throws {
        var rollout = Rollout(
            id: "r", created: 1.5,
            terms: try terms(
                #"{"metadata":{"b": [1, "\u2028"], "a":null},"parent":"p","sampling":{"temperature":1},"ttl_s":3,"#
                    + #""budgets":{"calls":1,"prompt_tokens":2,"completion_tokens":3,"total_tokens":4,"wall_clock_s":5.5,"#
                    + #""idle_s":6,"mode":"cut"}}"#), keyHash: "ab", late: 3)
        try rollout.annotate(Array(#"{"reward":1e-3,"turn":2,"session_id":"r:s"}"#.utf8), at: 9)
        rollout.seal(Snapshot(id: "s", turns: 1, tokens: 5, bytes: 9, sha256: "00"))
        let bytes = SessionFile.encode(rollout)
        #expect(try JSONSerialization.jsonObject(with: Data(bytes)) is [String: Any])
        let read = try #require(SessionFile.decode(bytes))
        #expect(SessionFile.encode(read) == bytes)
        #expect(read.terms == rollout.terms && read.snapshot == rollout.snapshot && read.late == 3)
        for end in 0..<bytes.count - 1 { #expect(SessionFile.decode(Array(bytes[..<end])) == nil) }
    }
}
