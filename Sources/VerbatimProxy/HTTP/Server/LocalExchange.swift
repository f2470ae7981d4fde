import NIOCore
import NIOHTTP1

/// A request that the proxy answers by itself, once it has been read.
final class LocalExchange: Exchange {
    private let agent: ServerConnection
    private var output: ResponseWriter
    private let status: HTTPResponseStatus
    private let headers: HTTPHeaders
    private let json: [UInt8]
    private let isAwaited: Bool

    /// - Parameter isAwaited: Whether to answer before the body has come: the agent waits for that, or is not to be heard.
    init(agent: ServerConnection, request: ResponseWriter.Request, reply: ErrorReply, isAwaited: Bool = false) {
        self.agent = agent
        self.isAwaited = isAwaited
        output = ResponseWriter(request: request)
        status = reply.status
        headers = reply.headers
        json = reply.body(in: request.errorForm)
    }

    init(agent: ServerConnection, request: ResponseWriter.Request, status: HTTPResponseStatus, json: String) {
        self.agent = agent
        isAwaited = false
        output = ResponseWriter(request: request)
        self.status = status
        headers = [:]
        self.json = Array(json.utf8)
    }

    var wantsBody: Bool { true }
    var limitsBodyTime: Bool { true }

    func start() {
        guard isAwaited else { return }
        output.closeBehind()
        answer()
    }

    func receive(body: ByteBuffer) {}

    func receiveEnd() { answer() }

    func agentDidPause() {}

    private func answer() {
        output.reply(status: status, json: json, headers: headers)
        agent.finish(output.take(), closes: output.mustClose)
    }

    func requestDidBreak(_ reply: ErrorReply) {
        output.reply(with: reply, closes: true)
        agent.finish(output.take(), closes: output.mustClose)
    }

    func agentDidClose() {}
    func agentDidHalfClose() {}
    func agentWritabilityChanged() {}
    func willClose() { output.closeBehind() }
    func cutOff() { agent.abort(resets: false) }
}
