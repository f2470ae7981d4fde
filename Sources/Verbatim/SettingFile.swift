import VerbatimProxy
import VerbatimTrace
import VerbatimPlatform

/// A file that a setting names: keys, certificates. Read once, when the proxy starts.
struct SettingFile {
    /// The setting's flag without dashes, for whoever must be told.
    let setting: String
    let path: String
    let bytes: [UInt8]
    private let status: OpenFile.Status

    /// More than any bundle of certificates holds.
    private static let limit = 16 << 20

    /// A pipe (`<(…)` of a shell) is read to its end.
    init(_ path: String, of setting: String) throws(ProxyError) {
        self.setting = setting
        self.path = path
        do throws(SystemError) {
            let file = try OpenFile(path, for: .reading)
            status = try file.status()
            if status.kind == .directory { throw .isDirectory }
            var bytes: [UInt8] = []
            while bytes.count <= Self.limit {
                if try file.read(upTo: 64 << 10, at: bytes.count, into: &bytes) == 0 { break }
            }
            self.bytes = bytes
        } catch {
            throw ProxyError(.fileUnavailable, "\(setting): cannot read '\(path)': \(error)")
        }
        if bytes.isEmpty { throw invalid("is empty") }
        if bytes.count > Self.limit { throw invalid("is larger than \(Self.limit >> 20) MiB") }
    }

    /// Whether others than its owner may read it.
    var isOpenToOthers: Bool { status.kind == .regular && status.isOpenToOthers }

    /// Whether it is what stands at `path`.
    func isFile(at path: String) -> Bool {
        status.kind == .regular && OpenFile.status(at: path)?.isSameFile(as: status) == true
    }

    /// - Parameter reason: Goes on from the file's name, and quotes nothing of what it holds.
    func invalid(_ reason: String) -> ProxyError {
        ProxyError(.invalidConfiguration, "\(setting): '\(path)' \(reason)")
    }

    var pem: PEMText { PEMText(source: "\(setting): '\(path)'", bytes: bytes) }

    /// Its lines with their numbers, without blank ones, comments and surrounding spaces.
    var lines: [(number: Int, text: String)] {
        bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated().compactMap {
            let blanks: [UInt8] = [0x20, 0x09, 0x0D]
            let line = $1.drop { blanks.contains($0) }
            guard let last = line.lastIndex(where: { !blanks.contains($0) }), line.first != UInt8(ascii: "#") else {
                return nil
            }
            return ($0 + 1, String(decoding: line[...last], as: UTF8.self))
        }
    }
}
