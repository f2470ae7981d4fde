import Synchronization

/// Limits how many bytes of request bodies are held at a time, over all connections.
package final class BodyBudget: Sendable {
    /// What one exchange has taken of the budget. It is released when the share is destroyed.
    package struct Share: ~Copyable {
        private let budget: BodyBudget
        private var taken = 0

        package init(of budget: BodyBudget) { self.budget = budget }

        deinit { if taken > 0 { budget.held.subtract(taken, ordering: .relaxed) } }

        /// Takes `count` more bytes; returns `false` if that would exceed the budget.
        package mutating func take(_ count: Int) -> Bool {
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

    /// - Parameter limit: In bytes.
    package init(limit: Int) { self.limit = limit }
}
