import Testing

@testable import VerbatimAPI

@Suite struct TemplateBackoffTests {
    /// How many of `count` events have a template built; `isMatch` tells whether an event matches the one before.
    private func templates(_ count: Int, isMatch: (Int) -> Bool) -> Int {
        var backoff = TemplateBackoff()
        var built = 0
        var hasTemplate = false
        for index in 0..<count {
            if hasTemplate && isMatch(index) {
                _ = backoff.noteMatch()
                continue
            }
            hasTemplate = backoff.allowsTemplate()
            if hasTemplate {
                backoff.noteTemplate()
                built += 1
            }
        }
        return built
    }

    @Test func templatesThatMatchOftenAreBuilt() {
        #expect(templates(1000) { $0 % 4 != 0 } == 250)
        #expect(templates(1000) { $0 % 100 != 0 } == 10)
    }

    @Test func templatesThatNeverMatchAreTriedAfterEachPause() {
        #expect(templates(8) { _ in false } == 8)
        #expect(templates(8 + 128 * 10) { _ in false } == 18)
    }

    @Test func templatesThatMatchOnceEachAreGivenUp() {
        #expect(templates(1000) { $0 % 2 == 1 } < 100)
    }

    /// After events that are all different, others may follow that are all alike.
    @Test func oneMatchingTemplateEndsTheBackoff() {
        var backoff = TemplateBackoff()
        var events = 0
        for _ in 0..<1000 where backoff.allowsTemplate() { backoff.noteTemplate() }
        repeat { events += 1 } while !backoff.allowsTemplate()
        #expect(events <= 128)
        backoff.noteTemplate()
        for _ in 0..<32 { _ = backoff.noteMatch() }
        for _ in 0..<8 {
            let isAllowed = backoff.allowsTemplate()
            #expect(isAllowed)
            backoff.noteTemplate()
        }
    }

    @Test func reportsTheFirstMatchOfATemplate() {
        var backoff = TemplateBackoff()
        for _ in 0..<2 {
            backoff.noteTemplate()
            let (first, second) = (backoff.noteMatch(), backoff.noteMatch())
            #expect(first && !second)
        }
    }

    /// An odd debt, and permissions that are not used.
    @Test func unusedPermissionsAreCharged() {
        var backoff = TemplateBackoff()
        for _ in 0..<8 { backoff.noteTemplate() }
        _ = backoff.noteMatch()
        let isAllowed = backoff.allowsTemplate()
        #expect(isAllowed)
        backoff.noteTemplate()
        var permissions = 0
        for _ in 0..<10_000 where backoff.allowsTemplate() { permissions += 1 }
        // After the first pause the debt is below the limit, and nothing adds to it.
        #expect(permissions == 10_000 - 127)
    }
}
