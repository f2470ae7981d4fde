import NIOCore
import NIOPosix
import VerbatimPlatform

/// The file of a Unix domain socket, which outlives a server that crashes.
enum UnixSocketFile {
    /// Removes a socket that no server listens on any more, as a crash leaves behind. A socket that is in use stays, so
    /// that binding fails; a file that is no socket stays as well.
    static func removeIfStale(_ path: String) async {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return }
        do {
            let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connect(unixDomainSocketPath: path).get()
            try? await channel.close()
        } catch {
            unlink(path)
        }
    }
}
