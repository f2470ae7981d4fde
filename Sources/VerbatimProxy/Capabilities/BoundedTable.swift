import NIOCore

extension Dictionary {
    /// Removes what expires first, if there is no room for a new key.
    mutating func makeRoom(for key: Key, capacity: Int, expiry: (Value) -> NIODeadline) {
        guard count >= capacity, self[key] == nil else { return }
        if let first = self.min(by: { expiry($0.value) < expiry($1.value) }) { self[first.key] = nil }
    }
}
