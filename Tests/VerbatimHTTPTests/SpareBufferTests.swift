import NIOCore
import NIOHTTP1
import Testing

@testable import VerbatimHTTP

@Suite struct SpareBufferTests {
    private func buffer(capacity: Int, _ text: String = "used") -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(capacity)
        buffer.writeString(text)
        return buffer
    }

    /// The address of a buffer's bytes.
    private func place(of buffer: inout ByteBuffer) -> UInt {
        buffer.withUnsafeMutableWritableBytes { UInt(bitPattern: $0.baseAddress) } - UInt(buffer.writerIndex)
    }

    @Test("A buffer that was written is used again")
    func writtenBufferIsReused() throws {
        let spare = SpareBuffer()
        #expect(spare.take(for: 1) == nil)
        var used = buffer(capacity: 1024)
        let first = place(of: &used)
        spare.giveBack(used)
        used = ByteBuffer()
        var again = try #require(spare.take(for: 1000))
        #expect(again.readableBytes == 0 && again.writerIndex == 0 && again.capacity >= 1024)
        #expect(place(of: &again) == first)
        #expect(spare.take(for: 1) == nil, "only one buffer is kept")
    }

    @Test("A buffer that waits to be written is not used")
    func waitingBufferIsNotReused() {
        let spare = SpareBuffer()
        let waiting = buffer(capacity: 1024, "for another")
        spare.giveBack(waiting)
        #expect(spare.take(for: 10) == nil)
        #expect(String(buffer: waiting) == "for another")
        var slice = waiting
        let rest = slice.readSlice(length: 3)
        spare.giveBack(slice)
        slice = ByteBuffer()
        #expect(spare.take(for: 10) == nil)
        #expect(rest.map { String(buffer: $0) } == "for")
    }

    @Test("A buffer is taken only if it has room")
    func bufferIsTakenOnlyIfItHasRoom() {
        let spare = SpareBuffer()
        spare.giveBack(buffer(capacity: 256))
        #expect(spare.take(for: 4000) == nil)
        spare.giveBack(buffer(capacity: 1 << 20))
        #expect(spare.take(for: 10) == nil, "it is too large to be kept")
        spare.giveBack(buffer(capacity: 256))
        spare.giveBack(ByteBuffer())
        #expect(spare.take(for: 10) != nil, "an empty buffer does not replace the kept one")
    }
}

@Suite("Response writers that use buffers again")
struct ResponseWriterBufferTests {
    private func text(_ segments: ResponseWriter.Segments) -> String {
        (segments.front + [segments.last]).map { String(buffer: $0) }.joined()
    }

    @Test("A part of a response is not changed by later parts", arguments: [true, false])
    func partsDoNotDisturbEachOther(isWritten: Bool) {
        let spare = SpareBuffer()
        let request = ResponseWriter.Request(errorFormat: ErrorFormat { _ in [] })
        var outputs = (0..<3).map { _ in ResponseWriter(request: request, spare: spare) }
        var waiting: [ResponseWriter.Segments] = []
        var texts: [String] = []
        for place in outputs.indices {
            outputs[place].head(status: 200, reason: "OK", headers: [:], framing: .chunked)
            _ = outputs[place].take()
        }
        for round in 0..<50 {
            let place = round % outputs.count
            let part = String(repeating: "\(place)", count: 1 + round * 37)
            outputs[place].body(ByteBuffer(string: part))
            let segments = outputs[place].take()
            texts.append("\(String(part.utf8.count, radix: 16))\r\n\(part)\r\n")
            #expect(text(segments) == texts.last)
            if !isWritten { waiting.append(segments) }
            spare.giveBack(segments.last)
        }
        for (segments, expected) in zip(waiting, texts) { #expect(text(segments) == expected) }
    }
}
