import NIOCore
import NIOHTTP1

/// A request that the proxy answers by itself, once it has been read.
final class LocalExchange: AgentExchange {
    private let agent: AgentConnection
    private var output: ReplyOutput
    private let status: HTTPResponseStatus
    private let headers: HTTPHeaders
    private let body: [UInt8]
    /// Whether the agent waits for an answer before it sends its body.
    private let isAwaited: Bool

    /// - Parameter isAwaited: Whether the agent waits for an answer before it sends its body.
    init(agent: AgentConnection, request: ReplyOutput.Request, reply: ErrorReply, isAwaited: Bool = false) {
        self.agent = agent
        self.isAwaited = isAwaited
        output = ReplyOutput(request: request)
        status = reply.status
        headers = reply.headers
        body = reply.body
    }

    init(agent: AgentConnection, request: ReplyOutput.Request, json: String) {
        self.agent = agent
        isAwaited = false
        output = ReplyOutput(request: request)
        status = .ok
        body = Array(json.utf8)
        headers = ["Content-Type": "application/json", "Content-Length": String(body.count)]
    }

    var wantsBody: Bool { true }

    func start() {
        guard isAwaited else { return }
        output.closeBehind()
        answer()
    }

    func receive(body: ByteBuffer) {}

    func receiveEnd() { answer() }

    private func answer() {
        output.head(status: Int(status.code), reason: status.reasonPhrase, headers: headers, framing: .contentLength)
        output.body(ByteBuffer(bytes: body))
        output.end()
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
