import VerbatimPlatform

enum StandardOutput {
    /// Prints a line and flushes it.
    static func print(_ line: String) {
        Swift.print(line)
        fflush(nil)
    }
}

enum StandardError {
    static func print(_ text: String) {
        let bytes = Array((text + "\n").utf8)
        _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
