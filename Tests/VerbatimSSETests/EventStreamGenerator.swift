import TestSupport

/// Writes random event streams with everything that the format allows.
struct EventStreamGenerator {
    var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    mutating func stream() -> [UInt8] {
        var bytes: [UInt8] = random.chance(20) ? [0xEF, 0xBB, 0xBF] : []
        // Most servers use one line ending throughout.
        let ending = random.chance(50) ? random.pick(["\n", "\r\n", "\r"]) : nil
        for _ in 0..<random.int(0...14) {
            bytes += line().utf8
            bytes += (ending ?? random.pick(["\n", "\r\n", "\r"])).utf8
        }
        if random.chance(30) { bytes += line().utf8 }
        // A stream may end anywhere.
        if random.chance(10) { bytes.removeLast(random.int(0...min(3, bytes.count))) }
        return bytes
    }

    private mutating func line() -> String {
        switch random.int(0...19) {
        case 0...5: ""
        case 6...9: random.pick(["data: ", "data:"]) + value()
        case 10: random.pick(["data", "data:", "data: ", "data:  ", "data::", "data: :"])
        case 11: random.pick(["event: ", "event:"]) + random.pick(["error", "message_stop", "", "é"])
        case 12: random.pick(["event", "event: ", "Event: x", "events: x", "event : x"])
        case 13, 14: random.pick([":", ": keep-alive", ":data: x", ":\u{FEFF}"])
        case 15: random.pick(["id: 7", "id", "retry: 3000", "retry"])
        case 16: random.pick(["DATA: x", "datas: x", "dat: x", "data : x", " data: x", "\u{FEFF}data: x", "unknown"])
        default: "data: " + #"{"choices":[{"delta":{"content":"\#(value())"}}]}"#
        }
    }

    private mutating func value() -> String {
        random.pick([
            "", "x", "[DONE]", "null", " leading", "trailing ", "a:b", "é€😀", "\u{2028}\u{85}", "\u{FEFF}", "\0\t\u{B}",
            String(repeating: "y", count: random.int(0...30)),
        ])
    }
}
