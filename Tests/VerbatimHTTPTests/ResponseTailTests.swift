import Testing

@testable import VerbatimHTTP

@Suite("What follows a response on its connection")
struct ResponseTailTests {
    private func tail(_ text: String, cutAt cut: Int) -> ResponseTail {
        var tail = ResponseTail()
        tail.beginChunk()
        let bytes = Array(text.utf8)
        for part in [bytes[..<cut], bytes[cut...]] {
            part.withUnsafeBytes { tail.read($0) }
        }
        return tail
    }

    @Test(
        "A last chunk ends with its blank line, wherever it is cut",
        arguments: [
            "0\r\n\r\n", "000\r\n\r\n", "0;a=b\r\n\r\n", "0\r\nX-Sum: 1\r\nX: 2\r\n\r\n",
            "5;a\r\nhello\r\n0\r\n\r\n", "00000000a\r\n0\r\n\r\n45678\r\nB\r\nhello world\r\n0\r\nX: 1\r\n\r\n",
        ])
    func lastChunks(text: String) {
        for cut in 0...text.utf8.count {
            #expect(tail(text, cutAt: cut).endsExactly(contentLength: nil), "cut at \(cut)")
            #expect(!tail(text + "H", cutAt: cut).endsExactly(contentLength: nil), "cut at \(cut)")
            #expect(!tail(text + "\r\n", cutAt: cut).endsExactly(contentLength: nil), "cut at \(cut)")
            #expect(!tail(String(text.dropLast()), cutAt: 0).endsExactly(contentLength: nil))
        }
    }

    @Test(
        "Of other chunks the end is not known",
        arguments: ["5\r\nhello!\r\n0\r\n\r\n", "x\r\n\r\n", "1000000000000000\r\n", "0\n\n"])
    func otherChunks(text: String) {
        #expect(!tail(text, cutAt: 0).endsExactly(contentLength: nil))
    }

    @Test("A body ends with its length")
    func bodies() {
        var tail = ResponseTail()
        #expect(tail.endsExactly(contentLength: 0) && !tail.endsExactly(contentLength: nil))
        tail.readBody(3)
        [UInt8](repeating: 1, count: 2).withUnsafeBytes { tail.read($0) }
        #expect(tail.endsExactly(contentLength: 5))
        #expect(!tail.endsExactly(contentLength: 4) && !tail.endsExactly(contentLength: nil))
    }
}
