import VerbatimAPI
import NIOHTTP1
import VerbatimHTTP

/// Captures, forwards or refuses a request by its path.
struct RouteStep: RoutingStep {
    let routes: RouteTable
    let isCapturing: Bool

    func decide(_ request: inout ProxyRequest) -> RoutingDecision? {
        switch routes.route(method: request.head.method, path: request.path) {
        case .captured(let api) where isCapturing: .capture(api)
        // With or without capture, such a request goes to the same path.
        case .captured(let api): .forward(path: "/v1" + api.route)
        case .forwarded: .forward(path: request.path)
        case .refused(let error): .refuse(error, answersAtOnce: request.head.expectsContinue)
        }
    }
}
