import NIOCore
import NIOHTTP1
package import VerbatimAPI
package import VerbatimHTTP

extension ResponseWriter {
    /// Writes a whole response with a final message: a body, or a stream of which each event is a chunk.
    package mutating func respond(with message: FinalMessage) {
        guard message.isStream else { return respond(status: .ok, json: message.body) }
        let headers: HTTPHeaders = ["Content-Type": message.contentType, "Cache-Control": "no-cache"]
        head(status: 200, reason: "OK", headers: headers, framing: .chunked)
        for event in message.parts { body(ByteBuffer(bytes: event)) }
        end()
    }
}
