import VerbatimAPI
import NIOHTTP1
import VerbatimHTTP

/// Captures, forwards or refuses a request by its path.
struct RouteStep: RoutingStep {
    let routes: RouteTable
    let isCapturing: Bool
    let uncaptured: UncapturedGeneration

    func decide(_ request: inout ProxyRequest) -> RoutingDecision? {
        let method = request.head.method
        switch routes.route(method: method, path: request.path) {
        case .captured(let api) where isCapturing: return .capture(api)
        // With or without capture, such a request goes to the same path.
        case .captured(let api): return .forward(path: "/v1" + api.route)
        case .forwarded:
            if isCapturing { uncaptured.note(method: method, path: request.path) }
            return .forward(path: request.path)
        case .refused(let error): return .refuse(error, answersAtOnce: request.head.expectsContinue)
        }
    }
}
