package import NIOCore
package import NIOHTTP1

/// What is done with one request. All calls come on the connection's event loop.
package protocol Exchange: AnyObject {
    /// The request's head has been read. Called once, first.
    func start()
    func receive(body: ByteBuffer)
    func receiveEnd()
    /// All parts that arrived in one read have been delivered.
    func inputDidPause()
    /// The rest of the request cannot be read; `error` says why. The connection closes after the response.
    func requestDidBreak(_ error: ErrorResponse)
    /// Whether more of the request's body is wanted now.
    var wantsBody: Bool { get }
    /// Whether the request's body must arrive within a time limit of its own.
    var limitsBodyTime: Bool { get }
    /// The client's connection is gone; nothing can be sent any more.
    func clientDidClose()
    /// The client sends nothing more. It may be gone, or wait for its response.
    func clientDidHalfClose()
    func clientWritabilityChanged()
    /// The connection will close after the response.
    func willClose()
    /// The server stops: end the exchange now.
    func cutOff()
}

/// Serves the requests of one listener on one event loop.
package protocol RequestHandler: AnyObject {
    /// Chooses what is done with a request. Its head fulfils ``RequestRules``.
    func exchange(for head: HTTPRequestHead, on connection: ServerConnection) -> any Exchange
    /// The format of errors for a request that the server refuses before the handler sees it.
    func errorFormat(for head: HTTPRequestHead) -> ErrorFormat
    /// The server has stopped: close what the handler keeps open.
    func serverDidStop()
}
