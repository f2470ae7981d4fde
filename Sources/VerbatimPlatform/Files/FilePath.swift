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
