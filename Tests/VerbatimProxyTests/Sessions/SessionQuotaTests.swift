import TestSupport
import Testing
import VerbatimJSON
import VerbatimTesting

@testable import VerbatimProxy

@Suite("The number of sessions that agents may begin", .timeLimit(.minutes(10)))
struct SessionQuotaTests {
    private func report(_ quota: SessionQuota, namesSessions: Bool = true) -> String {
        JSONWriter.string { json in json.object { quota.write(to: &$0, namesSessions: namesSessions) } }
    }

    @Test("A key may begin a number of sessions, and continue them")
    func limitPerKey() {
        let quota = SessionQuota(limitPerKey: 2, limitOfUnbound: nil)
        let owner = SessionQuota.Owner.key(boundTo: "a")
        #expect(["a", "a:1", "a:2", "a:1", "a"].allSatisfy { quota.admit($0, of: owner) })
        #expect(report(quota) == "{}", "nothing is reported before a turn is refused")
        #expect(!quota.admit("a:3", of: owner) && !quota.admit("a:4", of: owner))
        #expect(quota.admit("a:2", of: owner) && quota.admit("a", of: owner))
        #expect(quota.admit("b:1", of: .key(boundTo: "b")), "another key has its own")
        #expect((0..<1000).allSatisfy { quota.admit("\($0)", of: .unbound) })
        #expect(
            report(quota)
                == #"{"sessions_refused":2,"session_owners":[{"sessions":1000,"refused":0},"#
                + #"{"key_of":"a","sessions":2,"refused":2},{"key_of":"b","sessions":1,"refused":0}]}"#)
        #expect(report(quota, namesSessions: false) == #"{"sessions_refused":2}"#)
    }

    @Test("Agents without a bound key share a limit")
    func limitOfUnbound() {
        let quota = SessionQuota(limitPerKey: 9, limitOfUnbound: 1)
        #expect(quota.admit("x", of: .unbound) && !quota.admit("y", of: .unbound) && quota.admit("x", of: .unbound))
        #expect(quota.admit("a:1", of: .key(boundTo: "a")))
    }

    @Test("A session that the trace cannot hold does not count")
    func withdrawal() {
        let quota = SessionQuota(limitPerKey: 1, limitOfUnbound: nil)
        let owner = SessionQuota.Owner.key(boundTo: "a")
        #expect(quota.admit("a:1", of: owner))
        quota.withdraw("a:1", of: owner)
        #expect(quota.admit("a:2", of: owner))
        #expect(report(quota) == #"{"sessions_refused":1,"session_owners":[{"key_of":"a","sessions":1,"refused":1}]}"#)
    }

    @Test("Only the key that has begun too many sessions is refused, and health says which it is")
    func throughTheProxy() async throws {
        let keys = [AccessKey("sk-a", session: "a"), AccessKey("sk-b", session: "b"), AccessKey("sk-all")]
        try await withProxy(
            {
                $0.apiKeys = keys
                $0.maximumSessionsPerKey = 3
            }, script: Chat.engine.serve
        ) { proxy in
            func chat(_ key: String, subAgent: Int) async throws -> RawResponse {
                try await post(
                    port: proxy.port, path: Chat.path,
                    headers: [("x-api-key", key), ("x-claude-code-agent-id", "\(subAgent)")], body: Chat.unary)
            }
            for agent in 1...3 { #expect(try await chat("sk-a", subAgent: agent).status == 200) }
            let asked = proxy.engine.requests.count
            let refused = try await chat("sk-a", subAgent: 4)
            #expect(refused.status == 403 && refused.complete)
            #expect(try OpenAIError(refused.body).code == "too_many_sessions_of_key")
            #expect(proxy.engine.requests.count == asked)
            #expect(try await chat("sk-a", subAgent: 3).status == 200, "its other sessions continue")
            for agent in 1...3 { #expect(try await chat("sk-b", subAgent: agent).status == 200) }
            #expect(try await chat("sk-all", subAgent: 4).status == 200)
            let health = try await get(port: proxy.port, path: "/healthz", headers: [("x-api-key", "sk-all")])
            #expect(health.status == 200)
            #expect(health.bodyText.contains(#""sessions_refused":1,"session_owners":[{"key_of":""#))
            #expect(health.bodyText.contains(#"{"key_of":"a","sessions":3,"refused":1}"#))
            let anonymous = try await get(port: proxy.port, path: "/healthz")
            #expect(anonymous.bodyText.contains(#""sessions_refused":1"#) && !anonymous.bodyText.contains("key_of"))
        }
    }
}
