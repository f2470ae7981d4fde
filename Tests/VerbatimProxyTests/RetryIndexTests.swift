import NIOHTTP1
import Testing

@testable import VerbatimProxy

/// Which turn is the repetition of which.
@Suite struct FirstAttemptsTests {
    private func ask(
        _ attempts: RetryIndex, turn: Int, session: String = "s", body: String = "{}", count: String? = nil
    ) -> Int? {
        var headers = HTTPHeaders()
        if let count { headers.add(name: "X-Stainless-Retry-Count", value: count) }
        return attempts.firstAttempt(
            ofTurn: turn, inSession: session, body: RetryIndex.BodyDigest(Array(body.utf8)), headers: headers)
    }

    @Test func retriesKnowTheirFirstAttempt() {
        let attempts = RetryIndex()
        #expect(ask(attempts, turn: 1, count: "0") == nil)
        #expect(ask(attempts, turn: 2, count: "1") == 1)
        #expect(ask(attempts, turn: 3, count: "2") == 1)
        // Asked anew: a first attempt of its own.
        #expect(ask(attempts, turn: 4, count: "0") == nil)
        #expect(ask(attempts, turn: 5, count: "1") == 4)
    }

    @Test func aFirstAttemptNeedsNoCount() {
        let attempts = RetryIndex()
        #expect(ask(attempts, turn: 1) == nil)
        #expect(ask(attempts, turn: 2) == nil)
        #expect(ask(attempts, turn: 3, count: "1") == 2)
    }

    @Test func whatWasNotSeenIsTheFirst() {
        let attempts = RetryIndex()
        #expect(ask(attempts, turn: 1, count: "3") == nil)
        #expect(ask(attempts, turn: 2, count: "4") == 1)
    }

    @Test(arguments: ["0", "-1", "", "x", "1.5", "99999999999999999999"]) func noCounts(count: String) {
        let attempts = RetryIndex()
        #expect(ask(attempts, turn: 1) == nil)
        #expect(ask(attempts, turn: 2, count: count) == nil)
    }

    @Test func sessionsAndBodiesAreToldApart() {
        let attempts = RetryIndex()
        _ = ask(attempts, turn: 1, session: "a", body: "{}")
        #expect(ask(attempts, turn: 1, session: "b", body: "{}", count: "1") == nil)
        #expect(ask(attempts, turn: 2, session: "a", body: "{ }", count: "1") == nil)
        #expect(ask(attempts, turn: 3, session: "a", body: "", count: "1") == nil)
        #expect(ask(attempts, turn: 4, session: "a", body: "{}", count: "1") == 1)
    }

    /// Each byte counts, and its place.
    @Test func digests() {
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

    /// Of 8 that fit at most, the latest 4 are remembered at any time, and none beyond the 8.
    @Test(arguments: 4...20) func memoryIsBounded(total: Int) {
        for turn in 1...total {
            let attempts = RetryIndex(capacity: 8)
            for turn in 1...total { _ = ask(attempts, turn: turn, body: "\(turn)") }
            let first = ask(attempts, turn: total + 1, body: "\(turn)", count: "1")
            if turn > total - 4 { #expect(first == turn) }
            if turn <= total - 8 { #expect(first == nil) }
        }
    }
}
