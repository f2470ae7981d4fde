import VerbatimPlatform

/// The lock of a folder of traces: one proxy at a time writes to it.
struct FolderLock: ~Copyable, Sendable {
    private let file: OpenFile
    private let path: String
    private let status: OpenFile.Status

    /// Creates the folder if it is missing, and locks it.
    ///
    /// - Parameter log: Called if the file system has no locks. The folder is used without one then.
    static func take(_ layout: FolderLayout, log: (TraceEvent) -> Void) throws(TraceError) -> FolderLock {
        let lock: FolderLock
        do throws(SystemError) {
            try FilePath.makeParentFolders(of: layout.lock)
            lock = try FolderLock(layout.lock)
        } catch {
            throw TraceError(.cannotOpen, message: reason(error, folder: layout.folder), cause: .system(error))
        }
        let isLocked: Bool
        do throws(SystemError) {
            isLocked = try lock.file.lock()
        } catch {
            log(.lockUnavailable(path: layout.lock, reason: error.description))
            isLocked = true
        }
        if isLocked { return lock }
        let holder = lock.file.lockHolder
        let proxy = "another proxy" + (holder.map { " (pid \($0))" } ?? "")
        throw TraceError(
            .locked,
            message: "\(proxy) writes to the traces in '\(layout.folder)': stop it, or name another folder",
            reason: "\(proxy) writes to its folder", cause: .lockHolder(processID: holder))
    }

    private init(_ path: String) throws(SystemError) {
        let file = try Self.open(path)
        status = try file.status()
        self.file = file
        self.path = path
    }

    /// Whether the folder, or the lock in it, was renamed or deleted, so that it protects nothing.
    var hasMoved: Bool {
        do throws(SystemError) {
            return try !OpenFile.find(path).isSameFile(as: status)
        } catch {
            return error == .doesNotExist || error == .isNotDirectory
        }
    }

    private static func open(_ path: String) throws(SystemError) -> OpenFile {
        while true {
            do throws(SystemError) {
                return try OpenFile(path, for: .creating)
            } catch .exists {
                do throws(SystemError) {
                    return try OpenFile(path, for: .appending)
                } catch .doesNotExist {
                    // It was deleted meanwhile.
                    continue
                }
            }
        }
    }

    private static func reason(_ error: SystemError, folder: String) -> String {
        switch error {
        case .isNotDirectory, .exists: "cannot create the folder of traces '\(folder)': a file is in the way"
        case .isDenied: "cannot write to the folder of traces '\(folder)': \(error); name a folder that can be written"
        default: "cannot open the folder of traces '\(folder)': \(error)"
        }
    }
}
