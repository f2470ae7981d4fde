import NIOCore
import VerbatimHTTP

/// A request's body as it comes, within the limits on one body and on all of them.
///
/// It takes its share of the budget until it is released, so that the share lasts as long as any form of the body is
/// held.
final class RequestBody {
    private var bytes: [UInt8] = []
    private var share: BodyBudget.Share
    private let maximumSize: Int
    private let announced: Int

    /// A body is trusted to have its announced length once so many bytes of it have come.
    private static let trustedLength = 1 << 20

    /// - Parameter announced: The `Content-Length`; nil without one.
    init(budget: BodyBudget, maximumSize: Int, announced: Int?) {
        share = BodyBudget.Share(of: budget)
        self.maximumSize = maximumSize
        self.announced = announced.map { min($0, maximumSize) } ?? 0
    }

    /// - Returns: Why the body cannot be taken; nil if it can.
    func append(_ part: ByteBuffer) -> ErrorResponse? {
        guard share.take(part.readableBytes) else { return .overloaded }
        // An array that grows would move a large body again and again, and hold up the event loop.
        if bytes.count >= Self.trustedLength && bytes.capacity < announced { bytes.reserveCapacity(announced) }
        part.withUnsafeReadableBytes { bytes.append(contentsOf: $0) }
        return bytes.count > maximumSize ? .bodyTooLarge(limit: maximumSize) : nil
    }

    /// The body, which is not held here any longer.
    func take() -> [UInt8] {
        defer { bytes = [] }
        return bytes
    }
}
