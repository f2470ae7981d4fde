import Testing

@testable import VerbatimHTTP

@Suite struct ResponseHeadReaderTests {
    @Test(
        "The end of a head is found however it is split",
        arguments: [
            ("HTTP/1.1 200 OK\r\nA: b\r\n\r\n", "OK", false),
            ("HTTP/1.1 200 Quite All Right\r\nTransfer-Encoding: chunked\r\n\r\n", "Quite All Right", true),
            ("HTTP/1.1 200\r\ntransfer-encoding: chunked\r\n\r\n", "", true),
            ("HTTP/1.1 404 \r\nContent-Length: 3\r\n\r\n", "", false),
            ("HTTP/1.0 200 OK\nServer: T\n\n", "OK", false),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Fine\r\n\r\n", "Fine", false),
            (
                "HTTP/1.1 103 Early Hints\r\nTrailer: x\r\nLink: y\r\n\r\nHTTP/1.1 200 Fine\r\nB: c\r\n\r\n", "Fine",
                false
            ),
            ("nonsense\r\n\r\n", "", false),
        ])
    func theEndOfAHeadIsFoundHoweverItIsSplit(head: String, reason: String, mayHaveChunks: Bool) {
        let bytes = Array((head + "5\r\nHello\r\n\r\n").utf8)
        let end = head.utf8.count
        for split in 0...bytes.count {
            var reader = ResponseHeadReader()
            reader.expectReply()
            var found = bytes[..<split].withUnsafeBytes { reader.read($0) }
            if found == nil { found = bytes[split...].withUnsafeBytes { reader.read($0) }.map { $0 + split } }
            #expect(found == end, "split at \(split)")
            #expect(reader.reasonPhrase == reason && reader.mayHaveChunks == mayHaveChunks, "split at \(split)")
        }
        var reader = ResponseHeadReader()
        let found = bytes.firstIndex { byte in withUnsafeBytes(of: byte) { reader.read($0) } != nil }
        #expect(found == end - 1)
        #expect(reader.reasonPhrase == reason && reader.mayHaveChunks == mayHaveChunks)
    }

    @Test("A response starts without state of the one before it")
    func readerKeepsNoStateOfThePreviousResponse() {
        var reader = ResponseHeadReader()
        _ = Array("HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n".utf8).withUnsafeBytes { reader.read($0) }
        reader.expectReply()
        #expect(reader.reasonPhrase == nil && !reader.mayHaveChunks)
    }

    @Test("The reason phrase that is kept is bounded")
    func keptReasonPhraseIsBounded() {
        var reader = ResponseHeadReader()
        let bytes = Array(("HTTP/1.1 200 " + String(repeating: "x", count: 9000) + "\r\n\r\n").utf8)
        #expect(bytes.withUnsafeBytes { reader.read($0) } == bytes.count)
        #expect(reader.reasonPhrase == nil)
        reader.expectReply()
        let found = bytes.firstIndex { byte in withUnsafeBytes(of: byte) { reader.read($0) } != nil }
        #expect(found == bytes.count - 1 && reader.reasonPhrase == nil)
    }
}
