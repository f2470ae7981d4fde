/// Counts durations in microseconds, with a relative error of at most 1/64.
struct Histogram: Sendable {
    private static let resolution = 64

    private var counts = [UInt64](repeating: 0, count: 64 * resolution)
    private(set) var count: UInt64 = 0
    private(set) var largest: UInt64 = 0

    mutating func record(_ microseconds: UInt64) {
        counts[Self.slot(of: microseconds)] += 1
        count += 1
        largest = max(largest, microseconds)
    }

    mutating func add(_ other: Histogram) {
        for slot in counts.indices { counts[slot] += other.counts[slot] }
        count += other.count
        largest = max(largest, other.largest)
    }

    /// The duration that a share of all, from 0 to 1, does not exceed.
    func percentile(_ share: Double) -> UInt64 {
        let rank = UInt64((Double(count) * share).rounded(.up))
        var seen: UInt64 = 0
        for (slot, count) in counts.enumerated() where count > 0 {
            seen += count
            if seen >= rank { return min(largest, Self.end(of: slot)) }
        }
        return largest
    }

    /// The counts of 0, of 1, of 2 to 3, of 4 to 7, and so on.
    var octaves: [UInt64] {
        var octaves: [UInt64] = []
        for (slot, count) in counts.enumerated() where count > 0 {
            let octave = UInt64.bitWidth - Self.end(of: slot).leadingZeroBitCount
            while octaves.count <= octave { octaves.append(0) }
            octaves[octave] += count
        }
        return octaves
    }

    var json: String {
        #"{"count":\#(count),"p50":\#(percentile(0.5)),"p90":\#(percentile(0.9)),"p99":\#(percentile(0.99)),"#
            + #""p999":\#(percentile(0.999)),"max":\#(largest),"octaves":\#(octaves)}"#
    }

    private static func slot(of value: UInt64) -> Int {
        guard value >= UInt64(resolution) else { return Int(value) }
        let shift = 63 - value.leadingZeroBitCount - 6
        return (shift + 1) * resolution + Int(value >> UInt64(shift)) - resolution
    }

    /// The largest value of a slot.
    private static func end(of slot: Int) -> UInt64 {
        guard slot >= resolution else { return UInt64(slot) }
        let shift = UInt64(slot / resolution - 1)
        return (UInt64(slot % resolution + resolution + 1) << shift) - 1
    }
}
