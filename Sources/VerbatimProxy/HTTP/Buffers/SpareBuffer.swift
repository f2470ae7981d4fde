import NIOCore

/// A buffer that has done its work, written out or read, and may be used for the next that comes, whichever connection it
/// is for. Used on one event loop.
///
/// What a single event costs is for the most part memory that has not been touched for long: this has been.
final class SpareBuffer {
    /// Larger ones are let go of.
    private static let limit = 64 << 10

    private var buffer = ByteBuffer()

    /// An empty buffer with that much room; `nil` if there is none, or somebody still holds what is in it.
    func take(for length: Int) -> ByteBuffer? {
        var spare = buffer
        buffer = ByteBuffer()
        guard spare.capacity >= length, spare.modifyIfUniquelyOwned({ $0.clear() }) != nil else { return nil }
        return spare
    }

    func giveBack(_ used: ByteBuffer) {
        if 1...Self.limit ~= used.capacity { buffer = used }
    }
}
