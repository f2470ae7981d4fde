import VerbatimJSON

extension [UInt8] {
    /// Appends a number of seconds with six decimals. A value that no clock can have measured becomes zero.
    mutating func appendSeconds(_ seconds: Double) {
        let limit = 9e12
        let micros = seconds.magnitude < limit ? Int64((seconds * 1_000_000).rounded()) : 0
        if micros < 0 { append(UInt8(ascii: "-")) }
        let (whole, fraction) = Int(micros.magnitude).quotientAndRemainder(dividingBy: 1_000_000)
        appendDecimal(whole)
        append(UInt8(ascii: "."))
        var unit = 100_000
        while fraction < unit, unit > 1 {
            append(UInt8(ascii: "0"))
            unit /= 10
        }
        appendDecimal(fraction)
    }
}
