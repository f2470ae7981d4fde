import NIOHTTP1
import Testing

@testable import VerbatimProxy

/// Which turn an agent's retry repeats.
@Suite("Retry index") struct RetryIndexTests {
    private func ask(
        _ attempts: RetryIndex, turn: Int, session: String = "s", body: String = "{}", count: String? = nil
    ) -> Int? {
        var headers = HTTPHeaders()
        if let count { headers.add(name: "X-Stainless-Retry-Count", value: count) }
        return attempts.firstAttempt(
            ofTurn: turn, inSession: session, body: RetryIndex.BodyDigest(Array(body.utf8)), headers: headers)
    }

    @Test("A retry refers to the first attempt, not to the last") func retriesReferToTheFirstAttempt() {
        let attempts = RetryIndex()
        #expect(ask(attempts, turn: 1, count: "0") == nil)
        #expect(ask(attempts, turn: 2, count: "1") == 1)
        #expect(ask(attempts, turn: 3, count: "2") == 1)
        // The same request again is a new first attempt.
        #expect(ask(attempts, turn: 4, count: "0") == nil)
        #expect(ask(attempts, turn: 5, count: "1") == 4)
    }

    @Test("A first attempt need not have a retry count") func aFirstAttemptNeedsNoCount() {
        let attempts = RetryIndex()
        #expect(ask(attempts, turn: 1) == nil)
        #expect(ask(attempts, turn: 2) == nil)
        #expect(ask(attempts, turn: 3, count: "1") == 2)
    }

    @Test("If the first attempt was not seen, the first retry takes its place") func anUnseenFirstAttempt() {
        let attempts = RetryIndex()
        #expect(ask(attempts, turn: 1, count: "3") == nil)
        #expect(ask(attempts, turn: 2, count: "4") == 1)
    }

    @Test(
        "A header that is not a positive count marks no retry",
        arguments: ["0", "-1", "", "x", "1.5", "99999999999999999999"]) func invalidCounts(count: String)
    {
        let attempts = RetryIndex()
        #expect(ask(attempts, turn: 1) == nil)
        #expect(ask(attempts, turn: 2, count: count) == nil)
    }

    @Test("Requests of other sessions and with other bodies are not retries") func otherRequests() {
        let attempts = RetryIndex()
        _ = ask(attempts, turn: 1, session: "a", body: "{}")
        #expect(ask(attempts, turn: 1, session: "b", body: "{}", count: "1") == nil)
        #expect(ask(attempts, turn: 2, session: "a", body: "{ }", count: "1") == nil)
        #expect(ask(attempts, turn: 3, session: "a", body: "", count: "1") == nil)
        #expect(ask(attempts, turn: 4, session: "a", body: "{}", count: "1") == 1)
    }

    @Test("A digest depends on every byte and its place") func digests() {
        var digests: Set<RetryIndex.BodyDigest> = []
        var bodies = 0
        for length in 0...40 {
            let body = [UInt8](repeating: UInt8(ascii: " "), count: length)
            #expect(RetryIndex.BodyDigest(body) == RetryIndex.BodyDigest(body))
            for byte in [0, 1, 0x21, 0xFF] as [UInt8] {
                for place in body.indices {
                    var changed = body
                    changed[place] = byte
                    digests.insert(RetryIndex.BodyDigest(changed))
                }
            }
            digests.insert(RetryIndex.BodyDigest(body))
            bodies += 4 * length + 1
        }
        #expect(digests.count == bodies)
    }

    @Test("Of a capacity of 8, at least the latest 4 are remembered, and never more than 8", arguments: 4...20)
    func memoryIsBounded(total: Int) {
        for turn in 1...total {
            let attempts = RetryIndex(capacity: 8)
            for turn in 1...total { _ = ask(attempts, turn: turn, body: "\(turn)") }
            let first = ask(attempts, turn: total + 1, body: "\(turn)", count: "1")
            if turn > total - 4 { #expect(first == turn) }
            if turn <= total - 8 { #expect(first == nil) }
        }
    }
}
