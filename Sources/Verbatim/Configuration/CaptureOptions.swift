import VerbatimAPI
import VerbatimTrace

extension ProxyConfiguration {
    /// What is captured of each turn.
    public struct Capture: Hashable, Sendable {
        let goal: CaptureGoal

        /// Token ids and log-probabilities.
        public static let tokens = Capture(goal: .tokens)
        /// Log-probabilities.
        public static let logprobs = Capture(goal: .logprobs)
        /// What the agent sees; nothing is injected.
        public static let text = Capture(goal: .text)
        /// Nothing: requests are only forwarded and no trace is kept.
        public static let off = Capture(goal: .off)
    }

    /// The least that each turn must give.
    public struct Requirement: Hashable, Sendable {
        let requirement: CaptureRequirement

        /// Token ids and log-probabilities of every token.
        public static let tokens = Requirement(requirement: .tokens)
        /// Token ids and log-probabilities, but those of some tokens may be missing.
        public static let partialTokens = Requirement(requirement: .partialTokens)
        /// Log-probabilities.
        public static let logprobs = Requirement(requirement: .logprobs)
    }

    /// Where a record has the engine's own log-probability entries, alternatives included.
    public struct TraceDetail: Hashable, Sendable {
        let detail: VerbatimAPI.TraceDetail

        /// Once: in `logprobs`, beside the flat lists. In `response`, null takes their place.
        public static let entries = TraceDetail(detail: .entries)
        /// In `logprobs`, and in `response` as the engine sent them.
        public static let full = TraceDetail(detail: .full)
        /// Nowhere: there are the flat lists only.
        public static let compact = TraceDetail(detail: .compact)
    }

    /// What the token lists of a turn hold whose capture is incomplete (`capture.complete` is false).
    public struct TraceIncomplete: Hashable, Sendable {
        let lists: IncompleteLists

        /// What is known of the tokens.
        public static let keep = TraceIncomplete(lists: .keep)
        /// Nothing: for readers that would train on them, since they do not look at `capture`.
        public static let empty = TraceIncomplete(lists: .empty)
    }

    /// When a record counts as kept.
    public struct TraceSync: Hashable, Sendable {
        let sync: TraceRecorder.Configuration.Sync

        /// When the kernel has it: it survives the end of the process, also by `kill -9`.
        public static let write = TraceSync(sync: .write)
        /// When the disk has it: it survives a power cut.
        public static let disk = TraceSync(sync: .disk)
    }
}

// Each choice is known by the name that the command line uses for it.

extension ProxyConfiguration.Capture: CaseIterable, LosslessStringConvertible {
    public static var allCases: [Self] { CaptureGoal.allCases.map { Self(goal: $0) } }

    public init?(_ description: String) {
        guard let goal = CaptureGoal(rawValue: description) else { return nil }
        self.goal = goal
    }

    public var description: String { goal.rawValue }
}

extension ProxyConfiguration.Requirement: CaseIterable, LosslessStringConvertible {
    public static var allCases: [Self] { CaptureRequirement.allCases.map { Self(requirement: $0) } }

    public init?(_ description: String) {
        guard let requirement = CaptureRequirement(rawValue: description) else { return nil }
        self.requirement = requirement
    }

    public var description: String { requirement.rawValue }
}

extension ProxyConfiguration.TraceDetail: CaseIterable, LosslessStringConvertible {
    public static var allCases: [Self] { VerbatimAPI.TraceDetail.allCases.map { Self(detail: $0) } }

    public init?(_ description: String) {
        guard let detail = VerbatimAPI.TraceDetail(rawValue: description) else { return nil }
        self.detail = detail
    }

    public var description: String { detail.rawValue }
}

extension ProxyConfiguration.TraceIncomplete: CaseIterable, LosslessStringConvertible {
    public static var allCases: [Self] {
        IncompleteLists.allCases.map { Self(lists: $0) }
    }

    public init?(_ description: String) {
        guard let lists = IncompleteLists(rawValue: description) else { return nil }
        self.lists = lists
    }

    public var description: String { lists.rawValue }
}

extension ProxyConfiguration.TraceSync: CaseIterable, LosslessStringConvertible {
    public static var allCases: [Self] { TraceRecorder.Configuration.Sync.allCases.map { Self(sync: $0) } }

    public init?(_ description: String) {
        guard let sync = TraceRecorder.Configuration.Sync(rawValue: description) else { return nil }
        self.sync = sync
    }

    public var description: String { sync.rawValue }
}
