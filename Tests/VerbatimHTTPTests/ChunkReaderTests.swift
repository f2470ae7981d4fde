import Testing

@testable import VerbatimHTTP

@Suite struct ChunkReaderTests {
    /// What is read of pieces, with what is to come again put in front of the next one, as ``UpstreamResponseReader``
    /// does.
    private func read(_ pieces: [[UInt8]]) -> (body: String, end: ChunkReader.Step, rest: String) {
        var reader = ChunkReader()
        var body: [UInt8] = []
        var held: [UInt8] = []
        for (index, piece) in pieces.enumerated() {
            let bytes = held + piece
            var offset = 0
            while true {
                let step = bytes.withUnsafeBytes { reader.next(in: $0, at: &offset) }
                switch step {
                case .data(let data): body += bytes[data]
                case .needsMore: held = Array(bytes[offset...])
                case .isForParser, .isBroken:
                    let rest = bytes[offset...] + pieces[(index + 1)...].joined()
                    return (String(decoding: body, as: UTF8.self), step, String(decoding: rest, as: UTF8.self))
                }
                if step == .needsMore { break }
            }
        }
        return (String(decoding: body, as: UTF8.self), .needsMore, String(decoding: held, as: UTF8.self))
    }

    @Test(
        "Chunks are read however they are split",
        arguments: [
            ("5\r\nHello\r\n6\r\n World\r\n0\r\n\r\n", "Hello World", "0\r\n\r\n"),
            ("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n", "01234567890123456789", "0\r\nX: y\r\n\r\n"),
            ("00005\r\nHello\r\n000\r\n\r\n", "Hello", "000\r\n\r\n"),
            ("2\r\n\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n", "\r\n", "0\r\n\r\nHTTP/1.1 200 OK\r\n"),
            // Anything else is left to the parser, from the beginning of the chunk on.
            ("5\r\nHello\r\n6;name=value\r\n World\r\n", "Hello", "6;name=value\r\n World\r\n"),
            ("5\r\nHello\r\n6 \r\n World\r\n", "Hello", "6 \r\n World\r\n"),
            ("5\r\nHello\r\n6\n World\r\n", "Hello", "6\n World\r\n"),
            ("5\r\nHello\r\n6\rx World\r\n", "Hello", "6\rx World\r\n"),
            ("5\r\nHello\r\n\r\n World\r\n", "Hello", "\r\n World\r\n"),
            ("5\r\nHello\r\n-1\r\n World\r\n", "Hello", "-1\r\n World\r\n"),
            ("5\r\nHello\r\n00000006\r\n World\r\n", "Hello", "00000006\r\n World\r\n"),
            ("ffffffffffffffff\r\nHello\r\n", "", "ffffffffffffffff\r\nHello\r\n"),
        ])
    func chunksAreReadHoweverTheyAreSplit(text: String, body: String, rest: String) {
        let bytes = Array(text.utf8)
        for split in 0...bytes.count {
            let result = read([Array(bytes[..<split]), Array(bytes[split...])])
            #expect(result.body == body && result.rest == rest && result.end == .isForParser, "split at \(split)")
        }
        let result = read(bytes.map { [$0] })
        #expect(result.body == body && result.rest == rest && result.end == .isForParser)
    }

    @Test(
        "Data beyond the size of a chunk is an error",
        arguments: ["5\r\nHelloX\r\n", "5\r\nHello\rX", "5\r\nHello\n6\r\n World\r\n"])
    func dataBeyondTheChunkSizeIsAnError(text: String) {
        let bytes = Array(text.utf8)
        for split in 0...bytes.count {
            let result = read([Array(bytes[..<split]), Array(bytes[split...])])
            #expect(result.body == "Hello" && result.end == .isBroken, "split at \(split)")
        }
    }
}
