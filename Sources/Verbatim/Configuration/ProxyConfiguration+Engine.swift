import VerbatimAPI

extension ProxyConfiguration {
    /// The kind of engine that the proxy forwards to. ``allCases`` lists every kind, ``init(_:)`` finds one by its
    /// name.
    public struct Engine: Hashable, Sendable {
        /// nil for ``auto``.
        let profile: EngineProfile?

        /// The proxy recognizes the engine by what it sends: its headers, the shape of its replies, the owner in its
        /// list of models.
        public static let auto = Engine(profile: nil)
        /// An unknown engine: it is asked for what most engines give, and its replies are restored to what most send.
        public static let generic = Engine(profile: .generic)

        public static let vllm = Engine(profile: .vllm)
        public static let sglang = Engine(profile: .sglang)
        public static let llamacpp = Engine(profile: .llamaCpp)
    }
}

extension ProxyConfiguration.Engine: CaseIterable, LosslessStringConvertible {
    /// ``auto``, every kind in alphabetical order, ``generic``.
    public static var allCases: [Self] {
        let known = EngineProfile.all.sorted { $0.name < $1.name }.map { Self(profile: $0) }
        return [.auto] + known + [.generic]
    }

    /// The engine of that name, such as `vllm`; nil if there is none.
    public init?(_ description: String) {
        guard let engine = Self.allCases.first(where: { $0.description == description }) else { return nil }
        self = engine
    }

    public var description: String { profile?.name ?? "auto" }
}
