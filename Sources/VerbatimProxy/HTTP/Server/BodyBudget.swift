import Synchronization

/// How many bytes of request bodies may be held at a time, over all connections.
final class BodyBudget: Sendable {
    /// A part of the budget. What was taken is given back when it goes away.
    struct Share: ~Copyable {
        private let budget: BodyBudget
        private var taken = 0

        init(of budget: BodyBudget) { self.budget = budget }

        deinit { if taken > 0 { budget.held.subtract(taken, ordering: .relaxed) } }

        /// Takes so many bytes more; `false` if there are not so many.
        mutating func take(_ count: Int) -> Bool {
            let held = budget.held.add(count, ordering: .relaxed).newValue
            if held > budget.limit {
                budget.held.subtract(count, ordering: .relaxed)
                return false
            }
            taken += count
            return true
        }
    }

    private let limit: Int
    private let held = Atomic(0)

    init(limit: Int) { self.limit = limit }

    /// What is held now.
    var heldBytes: Int { held.load(ordering: .relaxed) }
}
