import NIOHTTP1
import VerbatimAPI
import VerbatimHTTP

/// Decides by method and path whether a request is captured, forwarded or refused.
struct RouteTable {
    enum Route {
        /// However the path was spelled, the request goes to the API's own route.
        case captured(API)
        /// The path is forwarded unchanged.
        case forwarded
        case refused(ErrorResponse)
    }

    let upstream: UpstreamURL
    /// Whether only captured routes and the list of models are forwarded.
    let onlyCaptured: Bool

    /// - Parameter path: Without the query and without the prefix that names a session.
    func route(method: HTTPMethod, path: String) -> Route {
        if let api = APIRegistry.api(method: method.rawValue, path: path) { return .captured(api) }
        if path == "*" { return onlyCaptured ? .refused(.routeNotAllowed) : .forwarded }
        let asked = PathSpelling(path)
        // The upstream's base path can turn another path into a captured route.
        let sent = PathSpelling(upstream.path(for: path))
        switch asked.fault ?? sent.fault {
        case .nul: return .refused(.badRequest("the path holds a NUL character (%00)"))
        case .aboveRoot: return .refused(.badRequest("the path leads above the root"))
        case nil: break
        }
        if method == .POST {
            for path in [asked.plain, sent.plain] {
                if let api = api(at: path.lowercased()) { return .captured(api) }
            }
            if (asked.loose + sent.loose).contains(where: { api(at: $0) != nil }) {
                return .refused(
                    .badRequest("the path could be taken for that of a captured route; spell it without escapes"))
            }
        }
        if onlyCaptured && !isModelList(method, asked) { return .refused(.routeNotAllowed) }
        return .forwarded
    }

    /// - Parameter path: Plain and in lower case.
    private func api(at path: String) -> API? {
        if let api = APIRegistry.api(method: "POST", path: path) { return api }
        let base = PathSpelling(upstream.basePath).plain.lowercased()
        guard path.hasPrefix(base) else { return nil }
        return APIRegistry.api(atRoute: path.dropFirst(base.count))
    }

    /// Whether it asks for the list of models or one of them, however it is read.
    private func isModelList(_ method: HTTPMethod, _ path: PathSpelling) -> Bool {
        guard method == .GET || method == .HEAD else { return false }
        return ([path.plain] + path.loose).allSatisfy { path in
            ["/v1/models", "/models"].contains { path == $0 || path.hasPrefix($0 + "/") }
        }
    }
}
