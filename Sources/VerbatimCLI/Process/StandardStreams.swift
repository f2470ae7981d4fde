import VerbatimPlatform

/// Standard output, for results.
enum StandardOutput {
    /// The code that a shell reports for a command killed by SIGPIPE.
    private static let exitCodeWithoutReader: Int32 = 128 + SIGPIPE

    /// Prints a line at once. Ends the process if the reader has closed the stream.
    static func print(_ line: String) { write(line + "\n") }

    /// Like ``print(_:)``, without ending the line.
    static func write(_ text: String) {
        guard let error = writeAll(Array(text.utf8), to: STDOUT_FILENO) else { return }
        CurrentProcess.exit(error == EPIPE ? exitCodeWithoutReader : EX_IOERR)
    }
}

/// Standard error, for messages and logs.
enum StandardError {
    static func print(_ line: String) { write(Array((line + "\n").utf8)) }

    /// Ignores errors: there is no other place to report them.
    static func write(_ bytes: [UInt8]) { _ = writeAll(bytes, to: STDERR_FILENO) }
}

/// Writes all of `bytes`. Returns nil, or the number of the error that prevented it.
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
