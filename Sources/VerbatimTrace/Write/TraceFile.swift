import VerbatimPlatform

/// The open file of the trace. Appends whole lines: a partly written one is removed again.
struct TraceFile: ~Copyable, Sendable {
    let file: OpenFile
    let path: String
    /// The status at the time of opening.
    private let status: OpenFile.Status
    let system: TraceFileSystem
    /// The rest of a failed write that could not be removed yet.
    private var residue = Residue.none
    /// The offset of the end of the last whole line, if it is known.
    var end: Int?

    private enum Residue {
        case none
        /// Bytes of a regular file from this offset on.
        case from(Int)
        /// A part of a line in a file that cannot be truncated.
        case partOfLine
    }

    init(
        _ file: consuming OpenFile, path: String, system: TraceFileSystem
    ) throws(SystemError) {
        let status = try file.status()
        if status.kind == .directory { throw .isDirectory }
        self.status = status
        self.file = file
        self.path = path
        self.system = system
    }

    var kind: OpenFile.Status.Kind { status.kind }

    /// What the file is now; nil if that cannot be told.
    var currentStatus: OpenFile.Status? { try? file.status() }

    borrowing func isUnchanged(since earlier: OpenFile.Status) -> Bool { currentStatus == earlier }

    /// Whether this regular file was renamed, deleted or replaced, so that it is no longer at its path.
    borrowing func hasMoved() -> Bool {
        guard kind == .regular else { return false }
        do throws(SystemError) {
            return try !OpenFile.find(path).isSameFile(as: status)
        } catch {
            // Other errors (a missing permission) do not prevent writing to the open file, as long as it has a name.
            return error == .doesNotExist || error == .isNotDirectory || isDeleted
        }
    }

    /// Whether the file was deleted, so that no one can read what was written to it.
    borrowing func isGone() -> Bool {
        kind == .regular && isDeleted && hasMoved()
    }

    private var isDeleted: Bool { (try? file.status().links) == 0 }

    /// Appends `lines`, all or none, normally in one system call.
    mutating func append(_ lines: [UInt8], sync: Bool) throws(SystemError) {
        try removeResidue()
        let length = kind == .regular ? try file.status().size : 0
        var lines = lines
        // Another program has truncated the file, perhaps within a line. The new line must not become a part of that
        // one.
        if let end, end != length, try !endsLine(at: length) { lines.insert(UInt8(ascii: "\n"), at: 0) }
        var written = 0
        do throws(SystemError) {
            try write(lines, written: &written)
            if sync, kind == .regular { try system.sync(file.descriptor) }
        } catch {
            if written > 0 { residue = kind == .regular ? .from(length) : .partOfLine }
            if kind == .regular { try? removeResidue() }
            throw error
        }
        if kind == .regular { end = length + lines.count }
    }

    private borrowing func endsLine(at length: Int) throws(SystemError) -> Bool {
        var last: [UInt8] = []
        if length > 0 { _ = try file.read(upTo: 1, at: length - 1, into: &last) }
        return last.isEmpty || last == [UInt8(ascii: "\n")]
    }

    /// Finds out whether a character device can be written, by an empty line. Other files are not probed.
    mutating func probe() -> SystemError? {
        guard kind == .characterDevice else { return nil }
        do throws(SystemError) {
            try append([UInt8(ascii: "\n")], sync: false)
            return nil
        } catch {
            return error
        }
    }

    /// Truncates the file to `length` bytes.
    mutating func truncate(to length: Int) throws(SystemError) {
        try system.truncate(file.descriptor, length)
    }

    /// Removes the rest of a failed write, as far as possible.
    mutating func cleanUp() { try? removeResidue() }

    private mutating func removeResidue() throws(SystemError) {
        switch residue {
        case .none: return
        case .from(let length):
            // Another program may have truncated the file meanwhile. It must not become longer.
            if try file.status().size > length { try truncate(to: length) }
        case .partOfLine:
            var written = 0
            try write([UInt8(ascii: "\n")], written: &written)
        }
        residue = .none
    }

    private func write(_ bytes: [UInt8], written: inout Int) throws(SystemError) {
        while written < bytes.count {
            let start = written
            var failure: SystemError?
            let count = bytes.withUnsafeBytes { buffer -> Int in
                do throws(SystemError) {
                    return try system.write(file.descriptor, UnsafeRawBufferPointer(rebasing: buffer[start...]))
                } catch {
                    failure = error
                    return 0
                }
            }
            if let failure { throw failure }
            written += count
        }
    }
}
