package import NIOHTTP1
package import VerbatimHTTP
import VerbatimSessions

/// Serves the admin listener on one event loop.
package final class AdminHandler: RequestHandler {
    private let loop: ServerLoop
    private let api: AdminAPI
    private let keys: AdminKeys

    package init(loop: ServerLoop, api: AdminAPI, keys: AdminKeys) {
        self.loop = loop
        self.api = api
        self.keys = keys
    }

    package func exchange(for head: HTTPRequestHead, on connection: ServerConnection) -> any Exchange {
        do throws(ErrorResponse) {
            guard let target = RequestTarget(head) else { throw .badRequest("the request target must be a path") }
            if target.path != "/healthz" {
                guard keys.admit(head.headers) else { throw .adminKeyMissing }
            }
            let call = try AdminCall(head.method, target)
            return AdminExchange(loop: loop, on: connection, head: head, call: call, api: api)
        } catch {
            return ImmediateExchange(
                on: connection, request: ResponseWriter.Request(head, errorFormat: .admin), error: error,
                answersAtOnce: head.expectsContinue)
        }
    }

    package func errorFormat(for head: HTTPRequestHead) -> ErrorFormat { .admin }

    package func serverDidStop() {}
}

/// The keys that let a trainer in. Without any, everyone who reaches the listener is let in.
package struct AdminKeys: Sendable {
    private let hashes: Set<String>

    package init(_ keys: [String]) { hashes = Set(keys.map { RolloutKey.hash($0[...]) }) }

    func admit(_ headers: HTTPHeaders) -> Bool {
        if hashes.isEmpty { return true }
        return headers["authorization"].contains { value in
            guard value.lowercased().hasPrefix("bearer ") else { return false }
            return hashes.contains(RolloutKey.hash(value.dropFirst("bearer ".count).drop { $0 == " " }))
        }
    }
}
