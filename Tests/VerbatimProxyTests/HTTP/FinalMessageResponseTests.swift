import NIOCore
import Testing
import VerbatimAPI
import VerbatimHTTP

@testable import VerbatimProxy

@Suite("A final message as a response")
struct FinalMessageResponseTests {
    private func response(to expected: ExpectedReply, takesChunks: Bool = true) -> (text: String, closes: Bool) {
        let request = ResponseWriter.Request(takesChunks: takesChunks, errorFormat: .openAI)
        var writer = ResponseWriter(request: request)
        writer.respond(with: FinalMessage(for: expected, text: "Done.", id: "1", time: 2))
        let segments = writer.take()
        let buffers = segments.front + [segments.last]
        return (buffers.map { String(buffer: $0) }.joined(), writer.mustClose)
    }

    @Test("A body has its length")
    func aBody() {
        let (text, closes) = response(to: ExpectedReply(api: .messages, model: "m"))
        #expect(text.hasPrefix("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "))
        #expect(text.hasSuffix(#""usage":{"input_tokens":0,"output_tokens":0}}"#) && !closes)
    }

    @Test("Each event of a stream is a chunk")
    func aStream() {
        let expected = ExpectedReply(api: .chatCompletions, model: "m", isStream: true)
        let (text, closes) = response(to: expected)
        #expect(
            text.hasPrefix(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
                    + "Transfer-Encoding: chunked\r\n\r\n"))
        #expect(text.hasSuffix("\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n") && !closes)
    }

    @Test("A client of HTTP/1.0 gets the stream until the connection closes")
    func anOldClient() {
        let expected = ExpectedReply(api: .chatCompletions, model: "m", isStream: true)
        let (text, closes) = response(to: expected, takesChunks: false)
        #expect(text.hasSuffix("\n\ndata: [DONE]\n\n") && closes)
    }
}
