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
    static func print(_ line: String) { write(line + "\n") }

    /// Prints `text` at once, without ending the line.
    static func write(_ text: String) {
        let bytes = Array(text.utf8)
        var start = 0
        while start < bytes.count {
            let written = bytes[start...].withUnsafeBytes { Self.write($0) }
            if written < 0 {
                if errno == EINTR { continue }
                Process.exit(errno == EPIPE ? exitCodeWithoutReader : EX_IOERR)
            }
            start += written
        }
    }

    private static func write(_ bytes: UnsafeRawBufferPointer) -> Int {
        #if canImport(Glibc)
            Glibc.write(STDOUT_FILENO, bytes.baseAddress, bytes.count)
        #elseif canImport(Musl)
            Musl.write(STDOUT_FILENO, bytes.baseAddress, bytes.count)
        #elseif canImport(Darwin)
            Darwin.write(STDOUT_FILENO, bytes.baseAddress, bytes.count)
        #endif
    }
}
