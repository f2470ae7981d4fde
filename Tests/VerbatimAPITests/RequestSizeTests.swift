import TestSupport
import Testing
import VerbatimAPI
import VerbatimJSON

/// What a request takes does not depend on how many members it has, or on how they are spelled.
@Suite struct RequestSizeTests {
    /// Bodies that took seconds when every key was kept, and decoded for every name.
    static let members = [
        #""\u006c":1"#, #""\u006cogprobs":false"#, #""a":1"#, #""model":"m""#, #""options":{"n_predict":-1}"#,
        #""metadata":{"user_id":1}"#, #""max_tokens":5"#,
    ]

    @Test("Only the fields that matter are kept", arguments: members)
    func keptMembersAreBounded(member: String) throws {
        let body = "{\(Array(repeating: member, count: 10_000).joined(separator: ","))}"
        let document = try RequestDocument(body: Array(body.utf8))
        #expect(document.object.count <= 2)
    }

    @Test("Such requests are changed as small ones are", arguments: members, API.allCases)
    func largeRequestsAreEditedAlike(member: String, api: API) throws {
        func edited(_ count: Int) throws -> (suffix: String, PreparedExchange) {
            let members = Array(repeating: member, count: count).joined(separator: ",")
            let prepared = try prepare("{\(members),\"model\":\"o1\",\"stop\":[]}", api: api) {
                $0.maxTokensCap = 3
                $0.disablesThinking = true
                $0.sampling = [("temperature", Array("1".utf8))]
            }
            return (String(prepared.bodyText.suffix(60)), prepared)
        }
        let (few, small) = try edited(2)
        let (many, large) = try edited(5000)
        #expect(few == many)
        #expect(small.clientFieldTexts == large.clientFieldTexts)
        #expect(try decoded(small.body) == decoded(large.body))
    }

    @Test("A key is compared without being built", arguments: ["\\u0061", "a", "\\ud83d\\ude00"])
    func oneLongKey(unit: String) throws {
        let key = String(repeating: unit, count: 50_000)
        let body = "{\"\(key)\":1,\"logprob\\u0073\":true}"
        let prepared = try prepare(body)
        #expect(prepared.bodyText == "{\"\(key)\":1,\"logprob\\u0073\":true,\"return_token_ids\":true}")
    }

    @Test("Of a long name only the beginning is kept")
    func longModel() throws {
        for unit in ["\\u0061", "a"] {
            let prepared = try prepare("{\"model\":\"\(String(repeating: unit, count: 100_000))\"}")
            #expect(prepared.model == String(repeating: "a", count: 4096))
        }
    }

    @Test("A list of names that no engine reads is left alone")
    func hugeInclude() throws {
        let list = Array(repeating: #""message.output_text.logprobs""#, count: 20_000).joined(separator: ",")
        let body = #"{"model":"m","include":[\#(list)]}"#
        let prepared = try prepare(body, api: .responses)
        #expect(prepared.bodyText == body && prepared.injection.isEmpty)
    }
}
