/// Changes of the file system that need no open file.
package enum FilePath {
    /// Creates the missing parent folders of `path`.
    package static func makeParentFolders(of path: String) throws(SystemError) {
        let bytes = Array(path.utf8)
        for end in bytes.indices.dropFirst() where bytes[end] == UInt8(ascii: "/") {
            let folder = String(decoding: bytes[..<end], as: UTF8.self)
            if mkdir(folder, 0o777) != 0 {
                let error = SystemError.last
                if OpenFile.status(at: folder)?.kind != .directory { throw error }
            }
        }
    }

    /// Brings the entry of a new file to the disk by syncing the folder that contains `path`.
    package static func syncFolder(of path: String) {
        let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        guard let file = try? OpenFile(folder, for: .reading) else { return }
        _ = fsync(file.descriptor)
    }

    /// Removes a file. A failure is ignored.
    package static func removeFile(at path: String) {
        unlink(path)
    }
}

extension FilePath {
    /// Replaces the file at `path` by one that holds `bytes`, all or nothing. Its mode is 0600.
    ///
    /// - Parameter sync: Whether it is on the disk when this returns.
    package static func replaceFile(at path: String, with bytes: [UInt8], sync: Bool) throws(SystemError) {
        let draft = path + ".new"
        unlink(draft)
        do throws(SystemError) {
            let file = try OpenFile(draft, for: .creating)
            try file.append(bytes)
            if sync, fsync(file.descriptor) != 0 { throw .last }
        } catch {
            unlink(draft)
            throw error
        }
        if rename(draft, path) != 0 {
            let error = SystemError.last
            unlink(draft)
            throw error
        }
        if sync { syncFolder(of: path) }
    }

    /// Removes a file, if there is one.
    package static func remove(_ path: String) throws(SystemError) {
        if unlink(path) != 0, case let error = SystemError.last, error != .doesNotExist { throw error }
    }

    /// Calls `body` with the name of each entry of a folder, in no order, without `.` and `..`.
    package static func forEachName(
        inFolder path: String, _ body: (String) -> Void
    ) throws(SystemError) {
        guard let folder = opendir(path) else { throw .last }
        defer { closedir(folder) }
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { name in
                name.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: name.pointee)) {
                    String(cString: $0)
                }
            }
            if name != "." && name != ".." { body(name) }
        }
    }
}

extension OpenFile {
    /// Writes all of `bytes` at the end.
    package func append(_ bytes: [UInt8]) throws(SystemError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                CLibrary.write(descriptor, buffer.baseAddress?.advanced(by: written), bytes.count - written)
            }
            if count < 0 {
                let error = SystemError.last
                if error == .wasInterrupted { continue }
                throw error
            }
            written += count
        }
    }
}
