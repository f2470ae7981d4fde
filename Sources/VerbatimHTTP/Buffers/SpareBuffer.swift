package import NIOCore

/// One buffer that the connections of an event loop pass on once it is written out or read. Used on that loop.
///
/// Most of what a single event costs is cold memory, and this buffer is warm.
package final class SpareBuffer {
    /// Larger buffers are not kept.
    private static let limit = 64 << 10

    private var buffer = ByteBuffer()

    package init() {}

    /// Returns an empty buffer with that much room; `nil` if there is none, or its bytes are still referenced.
    package func take(for length: Int) -> ByteBuffer? {
        var spare = buffer
        buffer = ByteBuffer()
        guard spare.capacity >= length, spare.modifyIfUniquelyOwned({ $0.clear() }) != nil else { return nil }
        return spare
    }

    package func giveBack(_ used: ByteBuffer) {
        if 1...Self.limit ~= used.capacity { buffer = used }
    }
}
