import VerbatimTesting
import NIOCore
import NIOPosix
import NIOSSL
import VerbatimPlatform

/// A TCP client that sends exactly the given bytes, and shows the framing and the end of responses.
package final class RawAgent: Sendable {
    struct State {
        /// The bytes that have arrived. Those that were not read yet start at `consumed`.
        var buffer: [UInt8] = []
        var consumed = 0
        var end: CloseKind?

        var available: ArraySlice<UInt8> { buffer[consumed...] }
    }

    let state: Monitor<State>
    private let channel: any Channel

    /// Tests run at the same time, and together they open more files than some systems allow at first.
    private static let raisedFileLimit: Void = { CurrentProcess.raiseFileLimit() }()

    private init(channel: any Channel, state: Monitor<State>) {
        self.channel = channel
        self.state = state
    }

    /// Connects to `port`. With a small `receiveBuffer`, in bytes, a slow reader soon stops the server.
    ///
    /// With `isTLS` it uses TLS, trusts the tests' authority and expects a certificate for `localhost`. An end without
    /// close_notify is then a `.reset`.
    package static func connect(
        port: Int, host: String = "127.0.0.1", receiveBuffer: Int? = nil, isTLS: Bool = false
    ) async throws -> RawAgent {
        Self.raisedFileLimit
        let state = Monitor(State())
        var tls: NIOSSLContext?
        if isTLS {
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.trustRoots = .file(TestCertificate.authority.certificatePath)
            tls = try NIOSSLContext(configuration: configuration)
        }
        let context = tls
        var bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let context {
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: context, serverHostname: "localhost"))
                    }
                    try channel.pipeline.syncOperations.addHandler(ReceivingHandler(state: state))
                }
            }
        if let receiveBuffer {
            bootstrap = bootstrap.channelOption(.socketOption(.so_rcvbuf), value: receiveBuffer)
        }
        return RawAgent(channel: try await bootstrap.connect(host: host, port: port).get(), state: state)
    }

    // MARK: Sending

    /// Sends bytes and returns once the socket has taken them.
    package func send(_ bytes: [UInt8]) async throws {
        try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
    }

    /// Sends text in UTF-8 and returns once the socket has taken it.
    package func send(_ text: String) async throws {
        try await send(Array(text.utf8))
    }

    // MARK: Reading

    /// Reads everything until the other side closes in order. Throws if it resets the connection.
    package func readUntilClosed() async throws -> [UInt8] {
        let (bytes, end) = try await takeToEnd()
        if end == .reset { throw RawAgentError.ended(.reset, received: bytes) }
        return bytes
    }

    /// Reads everything up to and including `marker`. The rest stays for the next read.
    package func read(until marker: String) async throws -> [UInt8] {
        if let bytes = try await takeThrough(Array(marker.utf8)) { return bytes }
        let (received, end) = try await takeToEnd()
        throw RawAgentError.ended(end, received: received)
    }

    /// Reads exactly `count` bytes.
    package func read(count: Int) async throws -> [UInt8] {
        let (bytes, isWhole) = try await takeBytes(count)
        guard isWhole else { throw RawAgentError.ended(state.read(\.end) ?? .eof, received: bytes) }
        return bytes
    }

    /// Reads one response to the end of its framing or of the connection.
    ///
    /// An interim response (1xx) counts as one. Throws if the connection ends before the head is complete. Pass
    /// `toHead` if the request was a `HEAD`, whose response has no body whatever its headers say.
    package func readResponse(toHead: Bool = false) async throws -> RawResponse {
        var response = try RawResponse(head: try await read(until: "\r\n\r\n"))
        if toHead || response.status < 200 || response.status == 204 || response.status == 304 {
            response.complete = true
        } else if response.header("Transfer-Encoding")?.lowercased().contains("chunked") == true {
            response.complete = try await readChunks(into: &response)
        } else if let length = response.header("Content-Length") {
            guard let count = Int(length) else { throw RawAgentError.malformed("content length \(length)") }
            (response.body, response.complete) = try await takeBytes(count)
        } else {
            let (body, end) = try await takeToEnd()
            (response.body, response.complete) = (body, end == .eof)
        }
        response.end = state.read(\.end)
        return response
    }

    // MARK: The connection

    /// Whether the other side has ended the connection, or this side closed it.
    package var isClosed: Bool { state.read(\.end) != nil }

    /// What has arrived and was not read yet. It grows only while the agent reads.
    package var availableCount: Int { state.read(\.available.count) }

    /// Waits until the other side ends the connection, and returns how. Returns `.eof` if this side closed first.
    ///
    /// While reading is stopped, the end stays unnoticed.
    @discardableResult
    package func waitUntilClosed() async -> CloseKind {
        await state.wait { $0.end != nil }
        return state.read(\.end) ?? .eof
    }

    /// Closes the sending direction only: the server reads an end of file and may still respond.
    package func halfClose() async throws {
        try await channel.close(mode: .output).get()
    }

    /// Closes the connection in order.
    package func close() async {
        channel.close(promise: nil)
        try? await channel.closeFuture.get()
    }

    /// Breaks the connection with a TCP reset.
    package func reset() async {
        if let socket = channel as? any SocketOptionProvider {
            try? await socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        }
        await close()
    }

    /// Stops reading from the socket, as a slow agent does.
    package func stopReading() async throws {
        try await channel.setOption(.autoRead, value: false).get()
    }

    /// Reads from the socket again.
    package func resumeReading() async throws {
        try await channel.setOption(.autoRead, value: true).get()
    }
}

/// Stores the bytes that arrive, and the end of the connection, in the agent's state.
private final class ReceivingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let state: Monitor<RawAgent.State>

    init(state: Monitor<RawAgent.State>) {
        self.state = state
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        state.update { $0.buffer.append(contentsOf: unwrapInboundIn(data).readableBytesView) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed { end(.eof) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end(.reset)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(.eof)
    }

    private func end(_ kind: CloseKind) {
        state.update { $0.end = $0.end ?? kind }
    }
}
