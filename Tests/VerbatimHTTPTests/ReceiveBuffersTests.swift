import NIOCore
import NIOEmbedded
import Testing
import VerbatimTesting

@testable import VerbatimHTTP

@Suite("The buffers that connections of one event loop read into")
struct ReceiveBuffersTests {
    private let loop = EmbeddedEventLoop()
    private let buffers = ReceiveBuffers()

    /// A connection without a socket.
    private struct Reader {
        var pool: NIOPooledRecvBufferAllocator
        let buffers: ReceiveBuffers

        init(_ loop: EmbeddedEventLoop, _ buffers: ReceiveBuffers) {
            pool = NIOPooledRecvBufferAllocator(
                capacity: 1,
                recvAllocator: ReceiveBuffers.Allocator(buffers: NIOLoopBound(buffers, eventLoop: loop)))
            self.buffers = buffers
        }

        /// Reads up to `length` bytes and passes them on. Returns the buffer's address and its capacity, which show
        /// whether it was reused.
        mutating func read(_ length: Int, keeping kept: (ByteBuffer) -> Void = { _ in }) -> (place: UInt, room: Int) {
            var place: UInt = 0
            var room = 0
            let (buffer, count) = pool.buffer(allocator: ByteBufferAllocator()) { buffer in
                buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 0) { bytes in
                    place = UInt(bitPattern: bytes.baseAddress)
                    room = bytes.count
                    return min(length, room)
                }
            }
            pool.record(actualReadBytes: count)
            buffers.giveBack(buffer)
            kept(buffer)
            return (place, room)
        }
    }

    @Test("Connections read into the same buffer")
    func connectionsReadIntoTheSame() {
        var readers = (0..<3).map { _ in Reader(loop, buffers) }
        let first = readers.indices.map { readers[$0].read(200).place }
        #expect(Set(first).count == 3, "NIO keeps the first of each")
        let shared = readers[0].read(700).place
        #expect(!first.contains(shared))
        for round in 0..<30 { #expect(readers[round % 3].read(700).place == shared) }
    }

    @Test("A buffer that is kept is not read into")
    func keptBufferIsNotReadInto() {
        var readers = [Reader(loop, buffers), Reader(loop, buffers)]
        for place in readers.indices { _ = readers[place].read(1) }
        var kept: ByteBuffer?
        let place = readers[0].read(700) { kept = $0.getSlice(at: 600, length: 5) }.place
        #expect(readers[1].read(700).place != place)
        #expect(kept?.readableBytes == 5)
        // A buffer that was released is not used again, since another has replaced it.
        kept = nil
        #expect(readers[1].read(700).place == readers[0].read(700).place)
    }

    @Test("A connection that receives much reads more at a time, at no cost to the others")
    func readSizeGrowsWithTheInput() {
        var large = Reader(loop, buffers)
        var small = Reader(loop, buffers)
        #expect(large.read(.max).room == 256)
        #expect((0..<8).map { _ in large.read(.max).room }.map { $0 >> 10 } == [4, 8, 16, 32, 64, 64, 64, 64])
        _ = small.read(1)
        let place = small.read(100).place
        let largePlace = large.read(.max).place
        #expect(small.read(100).place == place && large.read(.max).place == largePlace)
        for _ in 0..<20 { _ = large.read(100) }
        #expect(large.read(100).place == place, "it reads into the small buffer again")
    }
}
