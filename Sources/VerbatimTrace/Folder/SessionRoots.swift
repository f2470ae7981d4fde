internal import Synchronization
import VerbatimPlatform

/// The roots of sessions whose requests name only the session that started them, if any.
///
/// What was decided once stays, also after a restart: turns of a session must not get into two files. A sub-agent's
/// session has a small file that holds the id of its root; a session with a trace of its own is a root. The file counts
/// only while the root's trace exists.
final class SessionRoots: Sendable {
    /// The older half is dropped as a whole once the younger one is full.
    private struct Memory {
        var young: [String: String] = [:]
        var old: [String: String] = [:]
    }

    /// Most sessions in memory are twice as many. They take a few megabytes.
    private static let generation = 8192
    /// No id is longer.
    private static let longest = 4096

    private let layout: FolderLayout
    private let syncs: Bool
    private let memory = Mutex(Memory())

    /// - Parameter syncs: Whether a root counts as noted only when it is on the disk.
    init(_ layout: FolderLayout, syncs: Bool) {
        self.layout = layout
        self.syncs = syncs
    }

    /// The root of the session if it is in memory.
    func known(_ session: String) -> String? {
        memory.withLock { memory in
            if let root = memory.young[session] { return root }
            guard let root = memory.old[session] else { return nil }
            Self.keep(root, of: session, in: &memory)
            return root
        }
    }

    func forget(_ session: String) {
        memory.withLock { memory in
            memory.young[session] = nil
            memory.old[session] = nil
        }
    }

    /// Finds the root of the session, or decides which it is. Must be called on one thread at a time, since it reads and
    /// writes files.
    func find(_ session: String, parent: String?) throws(SystemError) -> String {
        if let root = known(session) { return root }
        let root: String
        if let noted = read(session) {
            root = noted
        } else if let parent, parent != session, OpenFile.status(at: layout.trace(of: session)) == nil {
            root = try find(parent, parent: nil)
            if root != session { try note(root, of: session) }
        } else {
            root = session
        }
        memory.withLock { Self.keep(root, of: session, in: &$0) }
        return root
    }

    /// Removes what is noted of sessions of this root.
    func remove(_ sessions: [String], of root: String) {
        forget(root)
        for session in sessions where session != root {
            guard stored(session) == root else { continue }
            FilePath.removeFile(at: layout.root(of: session))
            forget(session)
        }
    }

    private static func keep(_ root: String, of session: String, in memory: inout Memory) {
        if memory.young.count >= generation {
            memory.old = memory.young
            memory.young = [:]
        }
        memory.young[session] = root
    }

    // MARK: Files

    /// The root that is noted of the session, if its trace exists.
    private func read(_ session: String) -> String? {
        guard let root = stored(session), OpenFile.status(at: layout.trace(of: root)) != nil else { return nil }
        return root
    }

    private func stored(_ session: String) -> String? {
        var bytes: [UInt8] = []
        do throws(SystemError) {
            let file = try OpenFile(layout.root(of: session), for: .reading)
            _ = try file.read(upTo: Self.longest, at: 0, into: &bytes)
        } catch {
            return nil
        }
        // Without its line break the file was cut off by a crash.
        guard bytes.popLast() == UInt8(ascii: "\n"), !bytes.isEmpty,
            !bytes.contains(where: { $0 == UInt8(ascii: "/") || $0 < 0x20 })
        else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func note(_ root: String, of session: String) throws(SystemError) {
        let path = layout.root(of: session)
        try FilePath.makeParentFolders(of: path)
        // What is there does not count: it was cut off, or its trace is gone.
        FilePath.removeFile(at: path)
        let file = try OpenFile(path, for: .creating)
        let bytes = Array((root + "\n").utf8)
        let count = bytes.withUnsafeBytes { CLibrary.write(file.descriptor, $0.baseAddress, $0.count) }
        if count < bytes.count {
            let error: SystemError = count < 0 ? .last : .noSpace
            FilePath.removeFile(at: path)
            throw error
        }
        guard syncs else { return }
        if CLibrary.syncData(file.descriptor) != 0 { throw .last }
        FilePath.syncFolder(of: path)
    }
}
