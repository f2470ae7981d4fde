import VerbatimPlatform

/// Opens the trace: at the start, and again when its file was renamed.
struct TraceFileOpening: Sendable {
    let configuration: TraceRecorder.Configuration
    let log: @Sendable (TraceEvent) -> Void
    private let fileSystem: TraceFileSystem

    init(
        _ configuration: TraceRecorder.Configuration, fileSystem: TraceFileSystem,
        log: @escaping @Sendable (TraceEvent) -> Void
    ) {
        self.configuration = configuration
        self.fileSystem = fileSystem
        self.log = log
    }

    private var path: String { configuration.path }

    /// Opens or creates the file for this process alone, ready for the next line, and brings its last turns into
    /// `numbers`.
    ///
    /// Missing parent folders are created. An unfinished last line of a regular file is repaired. Other files (a
    /// device, a FIFO) are neither locked nor read: they hold nothing to protect or to continue from.
    ///
    /// - Parameter rest: What the file was when this process closed it. If it is that still, it is not read again.
    func open(
        continuing numbers: inout TurnNumbers, unlessUnchangedSince rest: OpenFile.Status? = nil
    ) throws(TraceError) -> TraceFile {
        var file = try openOrCreate()
        guard file.kind == .regular else { return file }
        try lock(file)
        if let rest, file.isUnchanged(since: rest) {
            file.end = rest.size
            return file
        }
        do throws(SystemError) {
            try file.repairTail(log: log)
        } catch {
            throw TraceError(
                .cannotWrite, message: "cannot repair the end of the trace '\(path)': \(error)", cause: .system(error))
        }
        // Even if the file is not new: another program may have created it without doing so.
        if configuration.sync == .disk { FilePath.syncFolder(of: path) }
        do throws(SystemError) {
            try numbers.continue(from: file.file)
        } catch {
            throw TraceError(.cannotOpen, message: "cannot read the trace '\(path)': \(error)", cause: .system(error))
        }
        return file
    }

    private func openOrCreate() throws(TraceError) -> TraceFile {
        do throws(SystemError) {
            do throws(SystemError) {
                return try TraceFile(OpenFile(path, for: .appending), path: path, system: fileSystem)
            } catch .doesNotExist where !path.isEmpty {
                try FilePath.makeParentFolders(of: path)
            }
            do throws(SystemError) {
                return try TraceFile(OpenFile(path, for: .creating), path: path, system: fileSystem)
            } catch .exists {
                // Another program has created it meanwhile. If it is a dangling link instead, this fails for good.
                return try TraceFile(OpenFile(path, for: .appending), path: path, system: fileSystem)
            }
        } catch {
            throw TraceError(.cannotOpen, message: reason(error), cause: .system(error))
        }
    }

    private func reason(_ error: SystemError) -> String {
        switch error {
        case _ where path.isEmpty: "the path of the trace is empty: name a file"
        case .isDirectory: "the trace '\(path)' is a folder: name a file"
        case .isNotDirectory, .exists: "cannot create the folders of the trace '\(path)': a file is in the way"
        case .isDenied: "cannot open the trace '\(path)': \(error); name a file that can be written"
        default: "cannot open the trace '\(path)': \(error)"
        }
    }

    private func lock(_ file: borrowing TraceFile) throws(TraceError) {
        let isLocked: Bool
        do throws(SystemError) {
            isLocked = try file.file.lock()
        } catch {
            return log(.lockUnavailable(path: path, reason: error.description))
        }
        if isLocked { return }
        let holder = file.file.lockHolder
        let proxy = "another proxy" + (holder.map { " (pid \($0))" } ?? "")
        throw TraceError(
            .locked, message: "\(proxy) writes to the trace '\(path)': stop it, or name another file",
            cause: .lockHolder(processID: holder))
    }
}
