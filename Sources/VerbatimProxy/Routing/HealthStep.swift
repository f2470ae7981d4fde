import NIOHTTP1
import VerbatimTrace

/// Responds to `GET /healthz`, which needs no key.
struct HealthStep: RoutingStep {
    let health: CaptureHealth
    let uncaptured: UncapturedGeneration
    let recorder: (any RecordSink)?
    let quota: SessionQuota
    let keys: KeyCheck

    func decide(_ request: inout ProxyRequest) -> RoutingDecision? {
        guard request.path == "/healthz", request.head.method == .GET || request.head.method == .HEAD else {
            return nil
        }
        let report = health.report(
            recorder, uncaptured: uncaptured.requests, quota: quota,
            namesSessions: keys.maySeeSessions(request.head.headers))
        return .answer(report.status, json: Array(report.json.utf8))
    }
}
