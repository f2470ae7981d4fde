import VerbatimPlatform

/// A trace in a temporary folder, for commands that are not given a path.
enum TemporaryTrace {
    /// Returns a path in a new folder that only this user can read.
    static func make() throws -> String {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/verbatim-XXXXXX".utf8CString)
        let folder = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        guard let folder else {
            throw CommandFailure(code: EX_CANTCREAT, message: "cannot create a folder in \(parent)")
        }
        return folder + "/trace.jsonl"
    }

    /// Removes the trace and its folder.
    static func remove(_ path: String) {
        unlink(path)
        rmdir(String(path.dropLast("/trace.jsonl".count)))
    }
}
