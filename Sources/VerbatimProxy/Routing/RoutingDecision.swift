import NIOHTTP1
import VerbatimAPI
import VerbatimHTTP

/// What is done with a request.
enum RoutingDecision {
    /// The proxy responds with an error.
    ///
    /// `answersAtOnce`: before the body has arrived, which is then not read.
    case refuse(ErrorResponse, answersAtOnce: Bool)
    /// The proxy responds with JSON.
    case answer(HTTPResponseStatus, json: [UInt8])
    /// The request is a turn of this API.
    case capture(API)
    /// The request is forwarded to this path of the engine, which is put below the upstream's base path.
    case forward(path: String)
}

/// One step on the way of a request: decides, or changes the request and leaves the decision to later steps.
///
/// Each step is a file in this folder; ``Router/init(_:)`` puts them in order.
protocol RoutingStep: Sendable {
    func decide(_ request: inout ProxyRequest) -> RoutingDecision?
}
