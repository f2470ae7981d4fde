import NIOHTTP1
import VerbatimHTTP

/// Serves the agents' listener on one event loop: routes each request and starts its exchange.
final class ProxyHandler: RequestHandler {
    private let loop: ProxyLoop
    private let router: Router

    init(loop: ProxyLoop, router: Router) {
        self.loop = loop
        self.router = router
    }

    func exchange(for head: HTTPRequestHead, on connection: ServerConnection) -> any Exchange {
        guard let target = RequestTarget(head) else {
            return ImmediateExchange(
                on: connection, request: ResponseWriter.Request(keepsAlive: false, errorFormat: .openAI),
                error: .badRequest("the request target must be a path: this is a proxy for one engine"))
        }
        var request = ProxyRequest(head, target: target)
        switch router.decision(for: &request) {
        case .refuse(let error, let answersAtOnce):
            loop.log.refusedRequest(error)
            return ImmediateExchange(
                on: connection, request: request.responseRequest, error: error, answersAtOnce: answersAtOnce)
        case .answer(let status, let json):
            return ImmediateExchange(on: connection, request: request.responseRequest, status: status, json: json)
        case .capture(let api): return CapturedExchange(loop: loop, agent: connection, request: request, api: api)
        case .forward(let path):
            return ForwardedExchange(loop: loop, agent: connection, request: request, path: path)
        }
    }

    func errorFormat(for head: HTTPRequestHead) -> ErrorFormat {
        RequestTarget(head).map { ProxyRequest(head, target: $0).responseRequest.errorFormat } ?? .openAI
    }

    func serverDidStop() { loop.pool.closeIdle() }
}
