/// Decides for which events of a stream building a template pays.
///
/// Building one costs about as much as two matching events save. When templates are not matched again, as with events
/// of several choices in turn, none is built for a while.
struct TemplateBackoff: Sendable {
    private static let cost: UInt8 = 2
    private static let maximumDebt: UInt8 = 16
    /// After this many events without a template, one more may be built.
    private static let pause: UInt8 = 128

    /// What building templates has cost beyond what it has saved, in events.
    private var debt: UInt8 = 0
    private var skippedEvents: UInt8 = 0
    /// Whether the last template has been matched.
    private var hasMatched = false

    /// Whether a template may be built. To be called for each event that does not match the template of the one before.
    ///
    /// A `true` that ends a pause is charged even if the caller builds no template.
    mutating func allowsTemplate() -> Bool {
        if debt < Self.maximumDebt { return true }
        skippedEvents += 1
        if skippedEvents < Self.pause { return false }
        skippedEvents = 0
        debt -= Self.cost
        return true
    }

    /// A template was built, or the attempt failed.
    mutating func noteTemplate() {
        debt += Self.cost
        hasMatched = false
    }

    /// An event matched the last template.
    ///
    /// - Returns: Whether it is the first one.
    mutating func noteMatch() -> Bool {
        if debt > 0 { debt -= 1 }
        defer { hasMatched = true }
        return !hasMatched
    }
}
