import Logging
import VerbatimHTTP
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

    /// Reads a certificate and its key, which go together; nil if neither is given. If the certificate is not valid at
    /// this time, a warning is logged: it is those who connect that decide about it.
    func identity(
        certificate: (path: String?, setting: String), key: (path: String?, setting: String)
    ) throws(ProxyError) -> (certificates: PEMText, key: PEMText)? {
        switch (certificate.path, key.path) {
        case (let path?, let keyPath?):
            let file = try read(path, of: certificate.setting)
            if let problem = file.pem.validityProblem() {
                logger.warning(
                    "a certificate is not valid at this time",
                    metadata: ["setting": "\(certificate.setting)", "path": "\(path)", "reason": "\(problem)"])
            }
            return (file.pem, try readSecret(keyPath, of: key.setting).pem)
        case (_?, nil):
            throw ProxyError(
                .invalidConfiguration, "\(certificate.setting) goes with --\(key.setting), its private key")
        case (nil, _?):
            throw ProxyError(
                .invalidConfiguration, "\(key.setting) goes with --\(certificate.setting), its certificate")
        case (nil, nil): return nil
        }
    }
}
