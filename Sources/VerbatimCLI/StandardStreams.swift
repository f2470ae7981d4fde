import VerbatimPlatform

/// Standard output, for results.
enum StandardOutput {
    /// What a shell reports of a command whose reader has gone.
    private static let exitCodeWithoutReader: Int32 = 128 + SIGPIPE

    /// Prints a line at once. If nobody reads any more, the process ends.
    static func print(_ line: String) { write(line + "\n") }

    /// Prints `text` at once, without ending the line.
    static func write(_ text: String) {
        guard let error = writeAll(Array(text.utf8), to: STDOUT_FILENO) else { return }
        CurrentProcess.exit(error == EPIPE ? exitCodeWithoutReader : EX_IOERR)
    }
}

/// Standard error, for messages and logs.
enum StandardError {
    static func print(_ line: String) { write(Array((line + "\n").utf8)) }

    /// If nobody reads any more, there is nobody to tell.
    static func write(_ bytes: [UInt8]) { _ = writeAll(bytes, to: STDERR_FILENO) }
}

/// Writes all of `bytes`; answers the error's number if that fails.
private func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32? {
    var start = 0
    while start < bytes.count {
        let written = bytes[start...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if written >= 0 {
            start += written
        } else if errno != EINTR {
            return errno
        }
    }
    return nil
}
