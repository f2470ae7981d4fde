package import NIOCore
package import NIOHTTP1

/// A request to which the server itself responds, once the request has been read.
package final class ImmediateExchange: Exchange {
    private let connection: ServerConnection
    private var writer: ResponseWriter
    private let status: HTTPResponseStatus
    private let headers: HTTPHeaders
    private let json: [UInt8]
    private let answersAtOnce: Bool

    /// - Parameter answersAtOnce: Whether to respond before the body arrives, and not to read it: because the client
    ///   waits for `100 Continue`, or because its request must not be trusted.
    package init(
        on connection: ServerConnection, request: ResponseWriter.Request, error: ErrorResponse,
        answersAtOnce: Bool = false
    ) {
        self.connection = connection
        self.answersAtOnce = answersAtOnce
        writer = ResponseWriter(request: request)
        status = error.status
        headers = error.headers
        json = request.errorFormat.body(error)
    }

    package init(
        on connection: ServerConnection, request: ResponseWriter.Request, status: HTTPResponseStatus, json: [UInt8]
    ) {
        self.connection = connection
        answersAtOnce = false
        writer = ResponseWriter(request: request)
        self.status = status
        headers = [:]
        self.json = json
    }

    package var wantsBody: Bool { true }
    package var limitsBodyTime: Bool { true }

    package func start() {
        guard answersAtOnce else { return }
        writer.closeAfterResponse()
        answer()
    }

    package func receive(body: ByteBuffer) {}

    package func receiveEnd() { answer() }

    package func inputDidPause() {}

    private func answer() {
        writer.respond(status: status, json: json, headers: headers)
        connection.finish(writer.take(), closes: writer.mustClose)
    }

    package func requestDidBreak(_ error: ErrorResponse) {
        writer.respond(with: error, closes: true)
        connection.finish(writer.take(), closes: writer.mustClose)
    }

    package func clientDidClose() {}
    package func clientDidHalfClose() {}
    package func clientWritabilityChanged() {}
    package func willClose() { writer.closeAfterResponse() }
    package func cutOff() { connection.abort(resets: false) }
}
