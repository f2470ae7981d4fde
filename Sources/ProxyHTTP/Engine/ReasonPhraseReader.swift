import NIOCore

/// Reads the reason phrase of each reply, which NIO's decoder replaces by the usual one, on the way to that decoder.
final class ReasonPhraseReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private enum State {
        /// The status line is being collected.
        case statusLine
        /// An interim reply's headers are being passed; how much of the blank line has been seen.
        case interimHeaders(newlines: Int)
        case found
    }

    /// Longest status line that is looked at.
    private static let limit = 8 << 10

    private var state = State.statusLine
    /// As much of the status line as has come.
    private var line: [UInt8] = []
    private(set) var reasonPhrase: String?

    /// To be called when a request is sent.
    func expectReply() {
        startLine()
        reasonPhrase = nil
    }

    private func startLine() {
        state = .statusLine
        line.removeAll(keepingCapacity: true)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .found = state {} else { look(at: unwrapInboundIn(data)) }
        context.fireChannelRead(data)
    }

    private func look(at buffer: ByteBuffer) {
        for byte in buffer.readableBytesView {
            switch state {
            case .found: return
            case .statusLine:
                if byte == UInt8(ascii: "\n") {
                    endStatusLine()
                } else if line.count < Self.limit {
                    line.append(byte)
                } else {
                    state = .found
                }
            case .interimHeaders(let newlines):
                if byte == UInt8(ascii: "\n") {
                    if newlines == 1 { startLine() } else { state = .interimHeaders(newlines: 1) }
                } else if byte != UInt8(ascii: "\r") {
                    state = .interimHeaders(newlines: 0)
                }
            }
        }
    }

    /// `HTTP/1.1 200 Some Words`
    private func endStatusLine() {
        let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line[...]
        let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
        if parts.count > 1, parts[1].first == UInt8(ascii: "1"), parts[1].count == 3 {
            state = .interimHeaders(newlines: 1)
            return
        }
        state = .found
        reasonPhrase = parts.count > 2 ? String(decoding: parts[2], as: UTF8.self) : ""
    }
}
