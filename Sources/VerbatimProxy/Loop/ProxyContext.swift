import Logging
import VerbatimAPI
import VerbatimHTTP
import VerbatimJSON
import VerbatimTrace

/// What all event loops of a proxy share.
struct ProxyContext: Sendable {
    let settings: ProxySettings
    let upstream: UpstreamPool.Shared
    let capabilities: CapabilityCache
    /// `nil` if nothing is captured.
    let recorder: (any RecordSink)?
    let log: TurnLog
    let bodies: BodyBudget
    let attempts = RetryIndex()
    let health = CaptureHealth()
    let uncaptured: UncapturedGeneration
    let sessionQuota: SessionQuota
    /// The fields of requests that are read.
    let fieldNames: MemberNames
    /// Secrets of the settings, which no record may contain.
    let secrets: [String]

    init(
        settings: ProxySettings, upstream: UpstreamPool.Shared, capabilities: CapabilityCache,
        recorder: (any RecordSink)?, clock: HTTPClock, logger: Logger
    ) {
        self.settings = settings
        self.upstream = upstream
        self.capabilities = capabilities
        self.recorder = recorder
        log = TurnLog(logger: logger, clock: clock)
        uncaptured = UncapturedGeneration(logger: logger)
        bodies = BodyBudget(limit: settings.maximumBuffered)
        secrets = settings.secrets
        let hasBoundKeys = settings.apiKeys.contains { $0.session != nil }
        sessionQuota = SessionQuota(
            limitPerKey: settings.maximumSessionsPerKey,
            limitOfUnbound: hasBoundKeys ? SessionQuota.usualLimitOfUnbound : nil)
        fieldNames = KnownFields.names(
            adding: SessionFields.names + settings.policy.sampling.map(\.name), nested: SessionFields.nestedNames)
    }
}
