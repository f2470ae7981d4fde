import Dispatch
import NIOCore
import NIOHTTP1
import VerbatimAPI

/// What a request says, and how it is to be forwarded: all that takes time with its length.
struct RequestReading: Sendable {
    let request: any APIRequest
    let identity: SessionIdentity
    let digest: RetryIndex.BodyDigest
    /// The one of this request.
    let policy: RequestPolicy
    let plan: CapabilityPlan

    /// Up to this length, in bytes, a body is read on its event loop. A longer one would keep others waiting.
    static let longestOnLoop = 256 << 10

    /// For longer bodies. The threads of the system's pool are shared with nothing that agents wait for.
    private static let queue = DispatchQueue(label: "verbatim.requests", attributes: .concurrent)

    init(
        of received: ProxyRequest, to api: API, body: [UInt8], context: ProxyContext, at now: NIODeadline
    ) throws(RequestError) {
        request = try APIRegistry.request(to: api, body: body, names: context.fieldNames)
        identity = SessionIdentity(
            named: received.namedSession, isBound: received.isBound, headers: received.head.headers,
            fields: SessionFields(request.document))
        digest = RetryIndex.BodyDigest(body)
        policy = context.settings.policy
        plan = CapabilityPlan(
            request, policy: policy, session: identity.origin(boundTo: received.boundSession),
            capabilities: context.capabilities, at: now)
    }

    /// Reads a body on a thread of the queue. `whenDone` is called there.
    static func start(
        of received: ProxyRequest, to api: API, body: [UInt8], context: ProxyContext, at now: NIODeadline,
        whenDone: @escaping @Sendable (Result<RequestReading, RequestError>) -> Void
    ) {
        queue.async {
            do throws(RequestError) {
                whenDone(.success(try RequestReading(of: received, to: api, body: body, context: context, at: now)))
            } catch {
                whenDone(.failure(error))
            }
        }
    }
}
