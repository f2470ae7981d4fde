import NIOCore
import NIOPosix

/// A port that takes connections and never says anything.
final class SilentPort: Sendable {
    let port: Int
    private let listener: any Channel

    init() async throws {
        listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        port = listener.localAddress?.port ?? 0
    }

    func stop() async { try? await listener.close() }
}
