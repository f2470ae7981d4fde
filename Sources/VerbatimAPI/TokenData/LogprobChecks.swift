import VerbatimJSON
import VerbatimSchema

/// Collects what looks wrong with the log-probabilities of a choice. It keeps places, since those of an echoed prompt
/// do not count.
struct LogprobChecks: Sendable {
    private var missing: [Int] = []
    private var fillers: [Int] = []
    private var positives: [Int] = []
    /// The last place of a number that is not 0.
    private var lastNonzero = -1
    /// How many zeros have come after it.
    private var zeros = 0

    /// This many tokens of probability 1, and no others, mean that the engine did not compute the values.
    private static let suspiciousZeros = 4

    /// Notes that the value at `place` is no number.
    mutating func noteMissing(at place: Int) { missing.append(place) }

    /// Notes a number. Returns whether it is no log-probability, or one that engines write for an unknown value.
    mutating func note(_ number: JSONValue, at place: Int, of text: Span<UInt8>) -> Bool {
        if Self.isZero(number, in: text) {
            zeros += 1
            return false
        }
        lastNonzero = place
        zeros = 0
        if text[number.range.lowerBound] != UInt8(ascii: "-") {
            positives.append(place)
            return true
        }
        guard Self.isFiller(number, in: text) else { return false }
        fillers.append(place)
        return true
    }

    /// The codes of what is wrong with the values from place `first` up to `count`.
    func problems(from first: Int, count: Int) -> [ProblemCode] {
        var problems: [ProblemCode] = []
        if missing.contains(where: { $0 >= first }) { problems.append(ProblemCode.logprobMissing) }
        if fillers.contains(where: { $0 >= first }) { problems.append(ProblemCode.logprobFiller) }
        if positives.contains(where: { $0 >= first }) { problems.append(ProblemCode.logprobInvalid) }
        if lastNonzero < first && min(zeros, count - first) >= Self.suspiciousZeros {
            problems.append(ProblemCode.logprobsAllZero)
        }
        return problems
    }

    /// vLLM writes -9999 for minus infinity and for missing values, llama.cpp the lowest number that it can represent.
    private static func isFiller(_ value: JSONValue, in text: Span<UInt8>) -> Bool {
        guard value.range.count >= 4, text[value.range.lowerBound] == UInt8(ascii: "-") else { return false }
        var digits = 0
        var index = value.range.lowerBound + 1
        while index < value.range.upperBound, (0x30...0x39).contains(text[index]) {
            digits += 1
            index += 1
        }
        guard digits >= 4 || value.exponent(in: text) != nil else { return false }
        return (value.double(in: text) ?? 0) <= -9999
    }

    private static func isZero(_ value: JSONValue, in text: Span<UInt8>) -> Bool {
        for index in value.range {
            switch text[index] {
            case UInt8(ascii: "-"), UInt8(ascii: "0"), UInt8(ascii: "."): continue
            case UInt8(ascii: "e"), UInt8(ascii: "E"): return true
            default: return false
            }
        }
        return true
    }
}
