/// A deterministic source of random numbers (SplitMix64), so that a failing case can be repeated from its seed.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number from `range`: the one that `Int.random(in:using:)` gives, which is generic, and slow without
    /// optimization.
    package mutating func int(_ range: ClosedRange<Int>) -> Int {
        let count = UInt(bitPattern: range.upperBound &- range.lowerBound) &+ 1
        if count == 0 { return Int(bitPattern: UInt(next())) }
        var product = UInt(next()).multipliedFullWidth(by: count)
        if product.low < count {
            let threshold = (0 &- count) % count
            while product.low < threshold { product = UInt(next()).multipliedFullWidth(by: count) }
        }
        return range.lowerBound &+ Int(bitPattern: product.high)
    }

    /// True in `percent` of a hundred cases.
    package mutating func chance(_ percent: Int) -> Bool { int(1...100) <= percent }

    /// One of `elements`, which must not be empty.
    package mutating func pick<Element>(_ elements: [Element]) -> Element { elements[int(0...elements.count - 1)] }
}
