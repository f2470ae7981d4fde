#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Standard output, for results.
enum StandardOutput {
    /// What a shell reports of a command whose reader has gone.
    private static let exitCodeWithoutReader: Int32 = 128 + SIGPIPE

    /// Prints a line at once. If nobody reads any more, the process ends.
    static func print(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        var start = 0
        while start < bytes.count {
            let written = bytes[start...].withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if written < 0 {
                if errno == EINTR { continue }
                Process.exit(errno == EPIPE ? exitCodeWithoutReader : EX_IOERR)
            }
            start += written
        }
    }
}
