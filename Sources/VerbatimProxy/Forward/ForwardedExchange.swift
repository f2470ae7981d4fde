import VerbatimJSON
import NIOCore
import NIOHTTP1
import VerbatimAPI
import VerbatimHTTP

/// A request that is forwarded unchanged in both directions, as it arrives.
final class ForwardedExchange: Exchange, UpstreamDelegate {
    private let loop: ProxyLoop
    private let agent: ServerConnection
    private let request: ProxyRequest
    private let path: String
    private var output: ResponseWriter
    private var engine: UpstreamConnection?
    private let timer: ExchangeTimer
    /// Parts of the request that arrived before the connection was established.
    private var waiting: [ByteBuffer] = []
    private var isRequestEnded = false
    /// Whether the parts that arrived with the head have been delivered. Until then nothing is flushed, so that a small
    /// request is sent in one write.
    private var hasAgentPaused = false
    private var hasBody = false
    private var isOver = false
    /// Reads a list of models, because it may name the engine.
    private var models: ModelList?

    /// - Parameter path: The path at the engine, before it is put below the base path.
    init(loop: ProxyLoop, agent: ServerConnection, request: ProxyRequest, path: String) {
        self.path = path
        self.loop = loop
        self.agent = agent
        self.request = request
        output = ResponseWriter(request: request.responseRequest, spare: loop.server.spareBuffer)
        timer = agent.exchangeTimer
        let isModelList = request.head.method == .GET && ["/v1/models", "/models"].contains(request.path)
        if isModelList && loop.capabilities.isUnrecognized { models = ModelList() }
    }

    // MARK: The request

    var wantsBody: Bool { !isOver && (engine?.isWritable ?? false) }

    /// The time limit of the whole exchange already runs.
    var limitsBodyTime: Bool { false }

    func start() {
        if request.head.expectsContinue {
            output.continueRequest()
            agent.write(output.take())
        }
        timer.start(loop.settings.exchangeLimits) { [weak self] in
            self?.isListening ?? false
        } onTimeout: { [weak self] timeout in
            self?.fail(with: .gatewayTimeout(timeout.message))
        }
        connect(fresh: false)
    }

    private func connect(fresh: Bool) {
        let pool = loop.pool
        pool.connect(fresh: fresh) { [weak self] result in
            guard let self, !isOver else {
                if case .success(let connection) = result { pool.giveBack(connection) }
                return
            }
            switch result {
            case .failure(let failure): upstreamDidFail(failure)
            case .success(let connection): send(on: connection)
            }
        }
    }

    private func send(on connection: UpstreamConnection) {
        engine = connection
        let upstream = loop.settings.upstream
        var headers = EngineHeaders.make(
            for: request, authority: upstream.address.authority, apiKey: loop.settings.upstreamAPIKey,
            acceptsIdentityOnly: false, bodyLength: nil)
        if request.head.headers.contains(name: "transfer-encoding") {
            headers.add(name: "Transfer-Encoding", value: "chunked")
        }
        if request.head.method == .OPTIONS, let hops = headers.first(name: "max-forwards").flatMap({ Int($0) }) {
            headers.replaceOrAdd(name: "Max-Forwards", value: String(hops - 1))
        }
        let target = upstream.target(path: path, query: request.query)
        connection.start(
            HTTPRequestHead(version: .http1_1, method: request.head.method, uri: target, headers: headers), for: self)
        for part in waiting { connection.send(body: part) }
        waiting = []
        if isRequestEnded {
            connection.endRequest()
        } else if hasAgentPaused {
            connection.flush()
            agent.readMore()
        }
    }

    /// Whether the engine is expected to send: it has the whole request, and the agent takes its reply.
    private var isListening: Bool { isRequestEnded && agent.isWritable }

    func receive(body: ByteBuffer) {
        if isOver { return }
        hasBody = true
        if let engine { engine.send(body: body) } else { waiting.append(body) }
    }

    func receiveEnd() {
        isRequestEnded = true
        timer.touch(at: loop.clock.now)
        if !isOver { engine?.endRequest() }
    }

    func inputDidPause() {
        hasAgentPaused = true
        if !isRequestEnded { engine?.flush() }
    }

    func requestDidBreak(_ reply: ErrorResponse) { fail(with: reply, closes: true) }

    func upstreamWritabilityChanged() { agent.readMore() }

    // MARK: The reply

    var takesMore: Bool { !isOver && agent.isWritable }

    func upstreamDidSend(head: HTTPResponseHead, reason: String) {
        timer.touch(at: loop.clock.now)
        // The rest of a request is not read after its response, so the connection cannot be reused.
        if !isRequestEnded { output.closeAfterResponse() }
        var framing = ResponseFraming(of: head)
        if case .untilClose = framing { framing = .chunked }
        let headers = EngineReferences(to: loop.settings.upstream, in: request).rewritten(head.headers)
        output.head(
            status: Int(head.status.code), reason: reason, headers: HeaderRules.returned(headers, length: .keep),
            framing: framing)
        if head.status.code != 200 || !ContentCoding.isIdentity(head.headers) { models = nil }
    }

    func upstreamDidSend(body: ByteBuffer) {
        timer.touch(at: loop.clock.now)
        models?.append(body)
        output.body(body)
    }

    func upstreamDidEnd() {
        if let engine { loop.pool.giveBack(engine) }
        engine = nil
        models?.report(to: loop.capabilities)
        isOver = true
        timer.cancel()
        output.end()
        agent.finish(output.take(), closes: output.mustClose)
    }

    func upstreamDidFail(_ failure: UpstreamFailure) {
        engine = nil
        if failure.isStale && !hasBody && isRequestEnded && !isOver {
            // It is safe to ask again, on a connection that cannot be stale.
            connect(fresh: true)
            return
        }
        let isTimeout = if case .connectTimeout = failure.kind { true } else { false }
        fail(with: isTimeout ? .gatewayTimeout(failure.message) : .badGateway(failure.message))
    }

    func upstreamDidPause() {
        if !isOver { agent.write(output.take()) }
    }

    /// Responds with an error. A reply that has begun is sent as far as it came, and cut off there.
    private func fail(with reply: ErrorResponse, closes: Bool = false) {
        if isOver { return }
        end()
        if !output.isHeadWritten {
            output.respond(with: reply, closes: closes)
            agent.finish(output.take(), closes: output.mustClose)
        } else if output.showsTruncation {
            agent.finish(output.take(), closes: true)
        } else {
            agent.write(output.take())
            agent.abort(resets: true)
        }
    }

    private func end() {
        isOver = true
        timer.cancel()
        engine?.close()
        engine = nil
        waiting = []
    }

    // MARK: The agent

    func clientDidClose() { end() }

    func clientDidHalfClose() {
        if !isOver, output.probeClient() { agent.write(output.take()) }
    }

    func clientWritabilityChanged() {
        timer.touch(at: loop.clock.now)
        engine?.readMore()
    }

    func willClose() { output.closeAfterResponse() }

    func cutOff() { fail(with: .shuttingDown) }
}

/// The start of a reply to `GET /models`, which may identify the engine.
private struct ModelList {
    private static let limit = 256 << 10
    private var bytes: [UInt8] = []

    mutating func append(_ body: ByteBuffer) {
        if bytes.count + body.readableBytes <= Self.limit { bytes.append(contentsOf: body.readableBytesView) }
    }

    /// Reports the engines that `data[].owned_by` names. A router lists models of several engines.
    func report(to capabilities: CapabilityCache) {
        var owners: [(model: String, engine: EngineProfile?)] = []
        let text = bytes.span
        guard let list = try? JSONObject(document: text), let data = list.value("data", in: text), data.kind == .array
        else { return }
        var cursor = JSONCursor(at: data.range.lowerBound)
        guard (try? cursor.enterArray(in: text)) != nil else { return }
        while (try? cursor.nextElement(in: text)) == true, owners.count < CapabilityCache.capacity {
            guard let model = try? JSONObject(with: &cursor, in: text) else { break }
            let owner = model.value("owned_by", in: text)?.string(in: text)
            owners.append(
                (
                    model.value("id", in: text)?.string(in: text) ?? "",
                    owner.flatMap(EngineRecognition.profile(forOwner:))
                ))
        }
        if let first = owners.first?.engine, owners.allSatisfy({ $0.engine == first }) {
            return capabilities.recognize(first, by: .models, of: nil)
        }
        for case (let model, let engine?) in owners { capabilities.recognize(engine, by: .models, of: model) }
    }
}
