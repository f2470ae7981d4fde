import VerbatimHTTP
import VerbatimPlatform

/// The fields of a query, each of which must be known and be there once.
struct QueryFields {
    private var fields: [String: String] = [:]

    init(_ query: Substring?, allowing names: Set<String>) throws(ErrorResponse) {
        for field in query?.split(separator: "&") ?? [] {
            let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let (name, value) = (Self.decoded(parts[0]), parts.count > 1 ? Self.decoded(parts[1]) : "")
            guard names.contains(name) else {
                let known = names.isEmpty ? "none is" : "known are \(names.sorted().joined(separator: ", "))"
                throw .badRequest("unknown field '\(name)' in the query; \(known)")
            }
            guard fields.updateValue(value, forKey: name) == nil else {
                throw .badRequest("'\(name)' is in the query twice")
            }
        }
    }

    private static func decoded(_ text: Substring) -> String {
        String(decoding: PercentEncoding.decoded(text.utf8.map { $0 == UInt8(ascii: "+") ? 0x20 : $0 }), as: UTF8.self)
    }

    func text(_ name: String) -> String? { fields[name] }

    /// A natural number in `range`.
    func count(_ name: String, in range: ClosedRange<Int>) throws(ErrorResponse) -> Int? {
        guard let text = fields[name] else { return nil }
        guard text.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let number = Int(text), range.contains(number) else {
            throw .badRequest("'\(name)' must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// A number of seconds.
    func seconds(_ name: String, most: Double) throws(ErrorResponse) -> Double? {
        guard let text = fields[name] else { return nil }
        guard let number = Double(text), number >= 0, number <= most else {
            throw .badRequest("'\(name)' must be a number of seconds from 0 to \(Int(most))")
        }
        return number
    }

    func flag(_ name: String) throws(ErrorResponse) -> Bool {
        switch fields[name] {
        case nil, "false": return false
        case "true": return true
        default: throw .badRequest("'\(name)' must be true or false")
        }
    }
}
