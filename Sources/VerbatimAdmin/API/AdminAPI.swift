import Dispatch
package import NIOHTTP1
import VerbatimHTTP
import VerbatimJSON
package import VerbatimSessions

/// The routes of the admin listener that respond as soon as they can.
package struct AdminAPI: Sendable {
    let store: SessionStore
    /// `scheme://host:port` of the agents' listener; nil for the host stands for the host that the trainer has called.
    let agents: AgentsAddress
    let version: String
    let health: @Sendable () -> (status: HTTPResponseStatus, json: [UInt8])

    package init(
        store: SessionStore, agents: AgentsAddress, version: String,
        health: @escaping @Sendable () -> (status: HTTPResponseStatus, json: [UInt8])
    ) {
        self.store = store
        self.agents = agents
        self.version = version
        self.health = health
    }

    /// - Parameters:
    ///   - host: The `Host` of the request.
    ///   - whenDone: Called once, on any thread.
    func respond(
        to call: AdminCall, body: [UInt8], host: String?, whenDone: @escaping @Sendable (AdminResponse) -> Void
    ) {
        switch call {
        case .open: open(body, host: host, whenDone: whenDone)
        case .list(let state, let after, let limit):
            list(state: state, after: after, limit: limit, whenDone: whenDone)
        case .show(let id): store.rollout(id) { whenDone(Self.response(to: $0, at: store.time)) }
        case .annotate(let id): store.annotate(id, body) { whenDone(Self.response(to: $0, at: store.time)) }
        case .seal(let id): seal(id, body, whenDone: whenDone)
        case .delete(let id, let snapshot, let isForced):
            store.delete(id, snapshot: snapshot, isForced: isForced) { result in
                whenDone(
                    Self.response(to: result) { _ in
                        AdminResponse { json in
                            json.member("session_id", id)
                            json.member("deleted", true)
                        }
                    })
            }
        case .deleteBatch: deleteBatch(body, whenDone: whenDone)
        case .health:
            let report = health()
            whenDone(AdminResponse(report.status, body: report.json))
        case .version: whenDone(AdminResponse { $0.member("version", version) })
        case .turns: whenDone(AdminResponse(.routeNotFound))
        }
    }

    private static func response<Value>(
        to result: Result<Value, SessionsError>, _ success: (Value) -> AdminResponse
    ) -> AdminResponse {
        switch result {
        case .success(let value): success(value)
        case .failure(let error): AdminResponse(ErrorResponse(error))
        }
    }

    private static func response(to result: Result<Rollout, SessionsError>, at now: Double) -> AdminResponse {
        response(to: result) { rollout in AdminResponse { rollout.writeMembers(at: now, to: &$0) } }
    }

    // MARK: Routes

    private func open(_ body: [UInt8], host: String?, whenDone: @escaping @Sendable (AdminResponse) -> Void) {
        store.open(body) { result in
            whenDone(
                Self.response(to: result) { opened in
                    let id = opened.rollout.id
                    let base = agents.url(calledAs: host) + "/sessions/\(id)"
                    return AdminResponse(opened.key == nil ? .ok : .created) { json in
                        json.member("session_id", id)
                        if let key = opened.key { json.member("api_key", key) }
                        json.member("base_url", base + "/v1")
                        json.member("anthropic_base_url", base)
                        opened.rollout.terms.write(to: &json)
                    }
                })
        }
    }

    private func list(
        state: String?, after: String?, limit: Int, whenDone: @escaping @Sendable (AdminResponse) -> Void
    ) {
        store.list(state: state, after: after, limit: limit) { result in
            whenDone(
                Self.response(to: result) { rollouts in
                    AdminResponse { json in
                        json.array("sessions") { json in
                            for rollout in rollouts { json.object { rollout.writeSummary(to: &$0) } }
                        }
                        json.member("next", rollouts.count < limit ? nil : rollouts.last?.id)
                    }
                })
        }
    }

    private func seal(_ id: String, _ body: [UInt8], whenDone: @escaping @Sendable (AdminResponse) -> Void) {
        let request: SealRequest
        do throws(SessionsError) {
            request = try SealRequest(body)
        } catch {
            return whenDone(AdminResponse(ErrorResponse(error)))
        }
        store.seal(id, aborts: request.mode == .abort, wait: request.wait) { result in
            whenDone(
                Self.response(to: result) { snapshot in
                    AdminResponse { json in
                        json.member("session_id", id)
                        snapshot.writeMembers(to: &json)
                    }
                })
        }
    }

    private func deleteBatch(_ body: [UInt8], whenDone: @escaping @Sendable (AdminResponse) -> Void) {
        let deletions: [BatchDeletion]
        do throws(SessionsError) {
            deletions = try BatchDeletion.read(body)
        } catch {
            return whenDone(AdminResponse(ErrorResponse(error)))
        }
        store.delete(deletions) { results in
            whenDone(
                AdminResponse { json in
                    json.array("results") { json in
                        for (deletion, error) in zip(deletions, results) {
                            json.object { json in
                                json.member("session_id", deletion.id)
                                json.member("deleted", error == nil)
                                guard let error else { return }
                                json.object("error") { json in
                                    json.member("code", error.code)
                                    json.member("message", error.message)
                                }
                            }
                        }
                    }
                })
        }
    }
}

/// Where agents reach the proxy.
package struct AgentsAddress: Sendable {
    private let scheme: String
    private let host: String
    private let port: Int

    package init(isTLS: Bool, host: String, port: Int) {
        scheme = isTLS ? "https" : "http"
        self.host = host
        self.port = port
    }

    /// - Parameter name: The `Host` by which the trainer has called. If agents are listened for on all addresses, its
    ///   host is the best guess.
    func url(calledAs name: String?) -> String {
        var host = self.host
        if ["0.0.0.0", "::", ""].contains(host), let name {
            let end = name.lastIndex(of: ":") ?? name.endIndex
            host = name.hasSuffix("]") ? name : String(name[..<end])
        } else if host.contains(":") {
            host = "[\(host)]"
        }
        return "\(scheme)://\(host):\(port)"
    }
}
