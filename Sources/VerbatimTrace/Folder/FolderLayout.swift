import VerbatimPlatform

/// The names of the files in a folder of traces. Ids are file names: `SessionID` allows nothing else.
struct FolderLayout: Sendable {
    private static let suffix = ".jsonl"

    /// With a slash at its end.
    let folder: String

    init(_ path: String) {
        folder = path.hasSuffix("/") ? path : path + "/"
    }

    func trace(of rollout: String) -> String { folder + rollout + Self.suffix }

    /// Locked while a proxy writes to the folder.
    var lock: String { folder + ".lock" }

    /// Holds a file for each session that its requests do not name the root of.
    var sessions: String { folder + ".sessions" }

    /// Holds the id of the session's root.
    func root(of session: String) -> String { sessions + "/" + session }

    /// The rollouts in the folder after the name `last`, in order, without opening files.
    func rollouts(after last: String?, limit: Int) throws(SystemError) -> [String] {
        var found: [String] = []
        try FilePath.forEachName(inFolder: folder) { name in
            guard name.hasSuffix(Self.suffix), name.utf8.count > Self.suffix.utf8.count else { return }
            let rollout = String(name.dropLast(Self.suffix.utf8.count))
            if let last, rollout <= last { return }
            found.append(rollout)
            // Memory is limited by what is asked for, not by what lies in the folder.
            if found.count >= 2 * max(limit, 1024) { found = Array(found.sorted().prefix(limit)) }
        }
        return Array(found.sorted().prefix(limit))
    }
}
