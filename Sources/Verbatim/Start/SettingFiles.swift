import Logging
import VerbatimProxy

/// Reads the files that settings name.
struct SettingFiles {
    /// The trace's path, which no other setting may name; nil if no trace is kept.
    let trace: String?
    let logger: Logger

    /// - Parameter setting: The setting's flag without dashes.
    func read(_ path: String, of setting: String) throws(ProxyError) -> SettingFile {
        let file = try SettingFile(path, of: setting)
        if let trace, file.isFile(at: trace) {
            throw file.invalid("is the trace, too: records would be appended to it")
        }
        return file
    }

    /// Reads a file that other users should not be able to read. If they can, a warning is logged and the file is used:
    /// the mode of a mounted secret cannot always be changed.
    func readSecret(_ path: String, of setting: String) throws(ProxyError) -> SettingFile {
        let file = try read(path, of: setting)
        if file.isOpenToOthers {
            logger.warning(
                "a file of secrets is open to other users: chmod 600 it",
                metadata: ["setting": "\(setting)", "path": "\(path)"])
        }
        return file
    }
}
