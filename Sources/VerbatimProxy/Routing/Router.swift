import NIOHTTP1
import VerbatimHTTP

/// Decides what is done with each request of the agents' listener. Pure: the same for all event loops.
struct Router: Sendable {
    private let steps: [any RoutingStep]

    init(_ context: ProxyContext) {
        let settings = context.settings
        let keys = KeyCheck(settings.apiKeys, replacesCredentials: settings.upstreamAPIKey != nil)
        steps = [
            HealthStep(
                health: context.health, uncaptured: context.uncaptured, recorder: context.recorder,
                quota: context.sessionQuota, keys: keys),
            AuthorizationStep(keys: keys),
            SessionNameStep(),
            MaxForwardsStep(),
            RouteStep(
                routes: RouteTable(upstream: settings.upstream, onlyCaptured: settings.onlyCaptured),
                isCapturing: context.recorder != nil, uncaptured: context.uncaptured),
        ]
    }

    /// - Parameter request: Steps may change it: its key is removed, for instance.
    func decision(for request: inout ProxyRequest) -> RoutingDecision {
        for step in steps {
            if let decision = step.decide(&request) { return decision }
        }
        return .forward(path: request.path)
    }
}
