import VerbatimPlatform

/// The trace, opened for appending whole lines: what a failed write leaves behind is taken back.
struct TraceFile: ~Copyable, Sendable {
    let file: OpenFile
    let path: String
    /// As it was when it was opened.
    private let status: OpenFile.Status
    let system: TraceFileSystem
    /// What a failed write has left behind and could not be taken back yet.
    private var residue = Residue.none
    /// Where the last whole line that is known of ends.
    var end: Int?

    private enum Residue {
        case none
        /// Whatever stands behind this length of a regular file.
        case behind(Int)
        /// A part of a line in something that cannot be truncated.
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

    /// Whether something else, or nothing, stands at the path of this regular file: it was renamed, deleted or replaced.
    borrowing func hasMoved() -> Bool {
        guard kind == .regular else { return false }
        do throws(SystemError) {
            return try !OpenFile.find(path).isSameFile(as: status)
        } catch {
            // Whatever else keeps the path from being looked at does not keep the file from being written, if it still
            // has a name.
            return error == .doesNotExist || error == .isNotDirectory || isDeleted
        }
    }

    /// Whether the file was deleted, so that what has just been written to it is nowhere to be read.
    borrowing func isGone() -> Bool {
        kind == .regular && isDeleted && hasMoved()
    }

    private var isDeleted: Bool { (try? file.status().links) == 0 }

    /// Writes `lines`, all or nothing, by one call of the operating system where it takes them all at once.
    mutating func append(_ lines: [UInt8], sync: Bool) throws(SystemError) {
        try removeResidue()
        let length = kind == .regular ? try file.status().size : 0
        var lines = lines
        // Somebody else has cut the file off within a line: that line must not take ours with it.
        if let end, end != length, try !endsLine(at: length) { lines.insert(UInt8(ascii: "\n"), at: 0) }
        var written = 0
        do throws(SystemError) {
            try write(lines, written: &written)
            if sync, kind == .regular { try system.sync(file.descriptor) }
        } catch {
            if written > 0 { residue = kind == .regular ? .behind(length) : .partOfLine }
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

    /// Asks a character device, where it costs no more than an empty line, whether writing works.
    mutating func probe() -> SystemError? {
        guard kind == .characterDevice else { return nil }
        do throws(SystemError) {
            try append([UInt8(ascii: "\n")], sync: false)
            return nil
        } catch {
            return error
        }
    }

    /// Cuts the file off behind its first `length` bytes.
    mutating func truncate(to length: Int) throws(SystemError) {
        try system.truncate(file.descriptor, length)
    }

    /// Takes back what a failed write has left behind, as far as that is possible.
    mutating func cleanUp() { try? removeResidue() }

    private mutating func removeResidue() throws(SystemError) {
        switch residue {
        case .none: return
        case .behind(let length):
            // Somebody else may have emptied the file meanwhile: never make it longer.
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
