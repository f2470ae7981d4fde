import NIOCore
import NIOHTTP1
import Testing

@testable import VerbatimHTTP

@Suite struct MessageWritingTests {
    @Test(
        "A head is written byte for byte",
        arguments: [
            (["HTTP/1.1", "200", "OK"], [("Content-Type", "text/plain"), ("x-empty", ""), ("Content-Type", "again")]),
            (["HTTP/1.1", "299", ""], []),
            (["HTTP/1.1", "404", "Nicht da: ü"], [("X", String(repeating: "long ", count: 5000)), ("Ü", "\u{FFFD}")]),
        ])
    func byteForByte(startLine: [String], headers: [(String, String)]) {
        var buffer = ByteBuffer(string: "in front")
        buffer.writeHead(startLine: startLine, HTTPHeaders(headers))
        let lines = [startLine.joined(separator: " ")] + headers.map { "\($0): \($1)" }
        #expect(String(buffer: buffer) == "in front" + lines.map { $0 + "\r\n" }.joined())
    }

    @Test("Writing does not change storage that other buffers share")
    func sharedStorage() {
        var buffer = ByteBuffer(string: "shared")
        let other = buffer
        buffer.writeHead(startLine: ["A", "B"], ["c": "d"])
        #expect(String(buffer: other) == "shared")
        #expect(String(buffer: buffer) == "sharedA B\r\nc: d\r\n")
    }
}
