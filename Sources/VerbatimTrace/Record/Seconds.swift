extension [UInt8] {
    /// Appends a number of seconds with six decimals. What no clock can have measured becomes zero.
    mutating func appendSeconds(_ seconds: Double) {
        let limit = 9e12
        let micros = seconds.magnitude < limit ? Int64((seconds * 1_000_000).rounded()) : 0
        if micros < 0 { append(UInt8(ascii: "-")) }
        let (whole, fraction) = micros.magnitude.quotientAndRemainder(dividingBy: 1_000_000)
        append(contentsOf: String(whole).utf8)
        append(UInt8(ascii: "."))
        let digits = String(fraction).utf8
        append(contentsOf: repeatElement(UInt8(ascii: "0"), count: 6 - digits.count))
        append(contentsOf: digits)
    }
}
