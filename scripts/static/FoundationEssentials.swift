// A replacement for the module FoundationEssentials in the static binary (`scripts/build-static`). Only the argument
// parser imports that module, for the declarations below; the real one would add calendars, attributed strings and
// regular expressions, a quarter of the binary. If a dependency needs more of the module, the build fails and names
// what is missing.

/// No type in the binary conforms to this protocol.
public protocol LocalizedError: Error {
    var errorDescription: String? { get }
}

public struct Data {}

extension String {
    public enum Encoding { case utf8 }

    public init?(data: Data, encoding: Encoding) { return nil }
}

/// Always throws. `--experimental-dump-help`, which lists the flags for tools that write documentation, prints nothing.
public final class JSONEncoder {
    public struct OutputFormatting: OptionSet {
        public let rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }
        public static let prettyPrinted = OutputFormatting(rawValue: 1)
        public static let sortedKeys = OutputFormatting(rawValue: 2)
    }

    public var outputFormatting: OutputFormatting = []

    public init() {}

    public func encode(_ value: some Encodable) throws -> Data {
        throw EncodingError.invalidValue(value, .init(codingPath: [], debugDescription: "no JSON encoder"))
    }
}
