import NIOHTTP1
import VerbatimHTTP

/// Refuses requests without a valid key, and takes the proxy's keys out of the others.
struct AuthorizationStep: RoutingStep {
    let keys: KeyCheck

    func decide(_ request: inout ProxyRequest) -> RoutingDecision? {
        keys.refusal(of: &request).map { .refuse($0, answersAtOnce: request.head.hasBody) }
    }
}
