import VerbatimPlatform

extension TraceFile {
    /// Opens or creates the trace at `path` for this process alone, ready for the next line.
    ///
    /// Parent folders are made as needed. Of a regular file, an unfinished last line is dealt with. What is no regular
    /// file (a device, a FIFO) is neither locked nor read: there is nothing in it to protect or to go on from.
    static func open(
        _ path: String,
        system: TraceFileSystem,
        log: (LogEvent) -> Void
    ) throws(TraceError) -> TraceFile {
        var trace = try openOrCreate(path, system: system)
        guard trace.kind == .regular else { return trace }
        try trace.lock(log: log)
        do throws(SystemError) {
            try trace.repairTail(log: log)
        } catch {
            throw TraceError(
                .cannotWrite,
                message: "cannot repair the end of the trace '\(path)': \(error)",
                errno: error.code
            )
        }
        return trace
    }

    private static func openOrCreate(_ path: String, system: TraceFileSystem) throws(TraceError) -> TraceFile {
        do throws(SystemError) {
            do throws(SystemError) {
                return try TraceFile(OpenFile(path, for: .appending), path: path, system: system)
            } catch .doesNotExist where !path.isEmpty {
                try FilePath.makeParentFolders(of: path)
            }
            do throws(SystemError) {
                return try TraceFile(OpenFile(path, for: .creating), path: path, system: system)
            } catch .exists {
                // Somebody else was quicker; or it is a link to nowhere, and this fails for good.
                return try TraceFile(OpenFile(path, for: .appending), path: path, system: system)
            }
        } catch {
            throw TraceError(.cannotOpen, message: reason(error, for: path), errno: error.code)
        }
    }

    private static func reason(_ error: SystemError, for path: String) -> String {
        switch error {
        case _ where path.isEmpty: "the trace's path is empty: name a file"
        case .isDirectory: "the trace '\(path)' is a folder: name a file"
        case .isNotDirectory, .exists: "cannot make the folders of the trace '\(path)': a file is in the way"
        case .isDenied: "cannot open the trace '\(path)': \(error); name a file that may be written"
        default: "cannot open the trace '\(path)': \(error)"
        }
    }

    private borrowing func lock(log: (LogEvent) -> Void) throws(TraceError) {
        let isLocked: Bool
        do throws(SystemError) {
            isLocked = try file.lock()
        } catch {
            return log(.lockUnavailable(path: path, reason: error.description))
        }
        guard isLocked else {
            let holder = file.lockHolder
            let proxy = "another proxy" + (holder.map { " (pid \($0))" } ?? "")
            throw TraceError(
                .locked(by: holder),
                message: "\(proxy) writes to the trace '\(path)': stop it, or name another file"
            )
        }
    }
}
