/// Whether it pays to take the forms of a stream's events.
///
/// To take one costs what some two events of a known form save. Where they are not met again, as with events of several choices
/// that come in turn, no more are taken for a while.
struct TemplateBackoff: Sendable {
    private static let cost: UInt8 = 2
    private static let mostDebt: UInt8 = 16
    /// So many events of forms of their own pay for another try.
    private static let pause: UInt8 = 128

    /// What the forms that were taken have cost beyond what they have saved, in events.
    private var debt: UInt8 = 0
    private var passed: UInt8 = 0
    /// Whether the last form that was taken has been met again.
    private var hasMet = false

    /// To be called for each event that has another form than the one before. If the answer comes of a pause, it is paid for whether
    /// a form is taken or not.
    mutating func allowsAnother() -> Bool {
        if debt < Self.mostDebt { return true }
        passed += 1
        if passed < Self.pause { return false }
        passed = 0
        debt -= Self.cost
        return true
    }

    /// A form was taken, or tried to.
    mutating func noteTaken() {
        debt += Self.cost
        hasMet = false
    }

    /// An event has the form that was taken last.
    ///
    /// - Returns: Whether it is the first.
    mutating func noteMet() -> Bool {
        if debt > 0 { debt -= 1 }
        defer { hasMet = true }
        return !hasMet
    }
}
