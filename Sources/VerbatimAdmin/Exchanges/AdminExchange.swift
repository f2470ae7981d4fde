import NIOCore
import NIOHTTP1
import VerbatimHTTP

/// A request of the admin listener: collects the body, then responds with what the API says.
final class AdminExchange: Exchange {
    /// Most bytes of a body.
    private static let maximumBodySize = 4 << 20

    private let loop: ServerLoop
    private let connection: ServerConnection
    private let head: HTTPRequestHead
    private let call: AdminCall
    private let api: AdminAPI
    private var output: ResponseWriter
    private var body: [UInt8] = []
    private var isReceiving = true
    private var isOver = false
    private var poll: TurnsPoll?

    init(loop: ServerLoop, on connection: ServerConnection, head: HTTPRequestHead, call: AdminCall, api: AdminAPI) {
        self.loop = loop
        self.connection = connection
        self.head = head
        self.call = call
        self.api = api
        output = ResponseWriter(request: ResponseWriter.Request(head, errorFormat: .admin))
    }

    var wantsBody: Bool { isReceiving }
    var limitsBodyTime: Bool { true }

    func start() {
        if head.expectsContinue {
            output.continueRequest()
            connection.write(output.take())
        }
    }

    func receive(body part: ByteBuffer) {
        guard isReceiving else { return }
        guard body.count + part.readableBytes <= Self.maximumBodySize else {
            return respond(AdminResponse(.bodyTooLarge(limit: Self.maximumBodySize)), closes: true)
        }
        body.append(contentsOf: part.readableBytesView)
    }

    func receiveEnd() {
        guard isReceiving else { return }
        isReceiving = false
        // The loop must stay alive until the response comes.
        loop.beginWork()
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        let finish: @Sendable (AdminResponse) -> Void = { response in
            bound.eventLoop.execute {
                bound.value.loop.endWork()
                bound.value.respond(response)
            }
        }
        if case .turns(let query) = call {
            let poll = TurnsPoll(
                query, matching: head.headers.first(name: "if-none-match"), store: api.store, loop: loop,
                whenDone: finish)
            self.poll = poll
            poll.start()
        } else {
            api.respond(to: call, body: body, host: head.headers.first(name: "host"), whenDone: finish)
        }
    }

    private func respond(_ response: AdminResponse, closes: Bool = false) {
        if isOver { return }
        isOver = true
        isReceiving = false
        poll = nil
        if closes { output.closeAfterResponse() }
        var headers = response.headers
        if response.status != .notModified {
            headers.add(contentsOf: [
                "Content-Type": response.contentType, "Content-Length": String(response.body.count),
            ])
        }
        output.head(
            status: Int(response.status.code), reason: response.status.reasonPhrase, headers: headers,
            framing: .contentLength)
        output.body(ByteBuffer(bytes: response.body))
        output.end()
        connection.finish(output.take(), closes: output.mustClose)
    }

    func inputDidPause() {}

    func requestDidBreak(_ error: ErrorResponse) { respond(AdminResponse(error), closes: true) }

    func clientDidClose() {
        isOver = true
        poll?.stop()
    }

    func clientDidHalfClose() {}
    func clientWritabilityChanged() {}

    func willClose() {
        output.closeAfterResponse()
        // The server stops: who waits for news gets what there is.
        poll?.stop()
    }

    func cutOff() {
        poll?.stop()
        if !isOver { connection.abort(resets: false) }
        isOver = true
    }
}
