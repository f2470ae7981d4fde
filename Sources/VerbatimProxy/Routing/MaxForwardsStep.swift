import NIOHTTP1

/// Responds to OPTIONS requests that must not be forwarded any further (RFC 9110 §7.6.2).
struct MaxForwardsStep: RoutingStep {
    func decide(_ request: inout ProxyRequest) -> RoutingDecision? {
        guard request.head.method == .OPTIONS, request.head.headers.first(name: "max-forwards") == "0" else {
            return nil
        }
        return .answer(.ok, json: Array("{}".utf8))
    }
}
