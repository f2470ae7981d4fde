import Testing

@testable import VerbatimAPI

@Suite struct FormTrialsTests {
    /// How many of so many events have their form taken; `isMet` says whether an event has the form of the one before.
    private func taken(_ count: Int, isMet: (Int) -> Bool) -> Int {
        var trials = TemplateBackoff()
        var taken = 0
        var hasForm = false
        for index in 0..<count {
            if hasForm && isMet(index) {
                _ = trials.noteMet()
                continue
            }
            hasForm = trials.allowsAnother()
            if hasForm {
                trials.noteTaken()
                taken += 1
            }
        }
        return taken
    }

    @Test func formsThatAreMetOftenAreTaken() {
        #expect(taken(1000) { $0 % 4 != 0 } == 250)
        #expect(taken(1000) { $0 % 100 != 0 } == 10)
    }

    @Test func formsThatAreNotMetAreTriedNowAndThen() {
        #expect(taken(8) { _ in false } == 8)
        #expect(taken(8 + 128 * 10) { _ in false } == 18)
    }

    @Test func formsThatAreMetOnceEachDoNotPay() {
        #expect(taken(1000) { $0 % 2 == 1 } < 100)
    }

    /// After events that are all different, others may follow that are all alike.
    @Test func aFormThatIsMetIsEnough() {
        var trials = TemplateBackoff()
        var events = 0
        for _ in 0..<1000 where trials.allowsAnother() { trials.noteTaken() }
        repeat { events += 1 } while !trials.allowsAnother()
        #expect(events <= 128)
        trials.noteTaken()
        for _ in 0..<32 { _ = trials.noteMet() }
        for _ in 0..<8 {
            let isAllowed = trials.allowsAnother()
            #expect(isAllowed)
            trials.noteTaken()
        }
    }

    @Test func tellsTheFirstEventOfAForm() {
        var trials = TemplateBackoff()
        for _ in 0..<2 {
            trials.noteTaken()
            let (first, second) = (trials.noteMet(), trials.noteMet())
            #expect(first && !second)
        }
    }

    /// A debt that is odd, and tries of which nothing comes.
    @Test func debts() {
        var trials = TemplateBackoff()
        for _ in 0..<8 { trials.noteTaken() }
        _ = trials.noteMet()
        let isAllowed = trials.allowsAnother()
        #expect(isAllowed)
        trials.noteTaken()
        var pauses = 0
        for _ in 0..<10_000 where trials.allowsAnother() { pauses += 1 }
        // After the first pause the debt is below the limit, and nothing adds to it.
        #expect(pauses == 10_000 - 127)
    }
}
