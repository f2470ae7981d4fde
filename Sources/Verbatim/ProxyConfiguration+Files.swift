import Logging
import VerbatimProxy

/// The settings that name files, and what goes with them.
extension ProxyConfiguration {
    func readFiles(into settings: inout ProxySettings) throws(ProxyError) {
        settings.upstreamAPIKey = try upstreamKey()
        settings.apiKeys = try accessKeys()
        if let upstreamCA { settings.upstreamCA = try settingFile(upstreamCA, of: "upstream-ca").pem }
        switch (tlsCertificate, tlsKey) {
        case (let certificate?, let key?):
            settings.agentTLS = ProxySettings.AgentTLS(
                certificates: try settingFile(certificate, of: "tls-cert").pem,
                key: try secretFile(key, of: "tls-key").pem
            )
        case (_?, nil): throw ProxyError(.invalidConfiguration, "tls-cert goes with --tls-key, its private key")
        case (nil, _?): throw ProxyError(.invalidConfiguration, "tls-key goes with --tls-cert, its certificate")
        case (nil, nil): break
        }
    }

    private func upstreamKey() throws(ProxyError) -> String? {
        if let upstreamAPIKey {
            guard upstreamAPIKeyFile == nil else {
                throw ProxyError(.invalidConfiguration, "upstream-api-key and upstream-api-key-file: give one of them")
            }
            guard AccessKey.isValid(upstreamAPIKey) else {
                throw ProxyError(.invalidConfiguration, "upstream-api-key: \(Self.keyRule)")
            }
            return upstreamAPIKey
        }
        guard let upstreamAPIKeyFile else { return nil }
        let file = try secretFile(upstreamAPIKeyFile, of: "upstream-api-key-file")
        let lines = file.lines
        guard lines.count == 1 else {
            throw file.invalid(lines.isEmpty ? "holds no key" : "holds more than one line: expected one key")
        }
        guard AccessKey.isValid(lines[0].text) else { throw file.invalid("line \(lines[0].number): \(Self.keyRule)") }
        return lines[0].text
    }

    private func settingFile(_ path: String, of setting: String) throws(ProxyError) -> SettingFile {
        let file = try SettingFile(path, of: setting)
        if capture != .off, file.isFile(at: trace) {
            throw file.invalid("is the trace, too: records would be appended to it")
        }
        return file
    }

    /// A file that nobody else should be able to read. One that others can read is used all the same: where secrets are
    /// mounted, modes are not always one's own to choose.
    func secretFile(_ path: String, of setting: String) throws(ProxyError) -> SettingFile {
        let file = try settingFile(path, of: setting)
        if file.isOpenToOthers {
            logger.warning(
                "a file of secrets is open to other users: chmod 600 it",
                metadata: ["setting": "\(setting)", "path": "\(path)"])
        }
        return file
    }
}
