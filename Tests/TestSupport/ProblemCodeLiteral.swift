public import VerbatimSchema

/// Tests write codes as the trace holds them. The product does not: it uses the static members.
extension ProblemCode: ExpressibleByStringLiteral {
    public init(stringLiteral value: String) { self.init(rawValue: value) }
}
