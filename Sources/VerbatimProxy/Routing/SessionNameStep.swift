import VerbatimSchema
import NIOHTTP1
import VerbatimHTTP

/// Refuses requests that name a session by an invalid id.
struct SessionNameStep: RoutingStep {
    func decide(_ request: inout ProxyRequest) -> RoutingDecision? {
        guard let session = request.namedSession, !SessionID.isValid(session) else { return nil }
        return .refuse(.badRequest(SessionID.rule), answersAtOnce: request.head.expectsContinue)
    }
}
