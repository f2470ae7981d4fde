import VerbatimProxy
import VerbatimPlatform
import VerbatimTrace
import VerbatimHTTP

/// A file that a setting names: keys or certificates. It is read once, when the proxy starts.
struct SettingFile {
    /// The setting's flag without dashes, for error messages.
    let setting: String
    let path: String
    let bytes: [UInt8]
    private let status: OpenFile.Status

    /// Larger than any bundle of certificates.
    private static let limit = 16 << 20

    /// Reads the file, or a pipe (a shell's `<(…)`) to its end.
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
            let name = Self.mayBeRepeated(path) ? "'\(path)'" : "its file (the name is withheld: it may be a key)"
            throw ProxyError(.fileUnavailable, "\(setting): cannot read \(name): \(error)", cause: error)
        }
        if bytes.isEmpty { throw invalid("is empty") }
        if bytes.count > Self.limit { throw invalid("is larger than \(Self.limit >> 20) MiB") }
    }

    /// Whether an error may repeat the name of a file that cannot be read. A key may have been given in its place, so
    /// that only names are repeated that are paths: in a folder that exists, or from the root or another known place
    /// without a part that looks like a key.
    static func mayBeRepeated(_ path: String) -> Bool {
        if path.isEmpty || path == "/" { return true }
        guard path.utf8.count < 4096, let slash = path.lastIndex(of: "/") else { return false }
        let folder = path[..<slash]
        if !folder.isEmpty, OpenFile.status(at: String(folder))?.kind == .directory { return true }
        guard ["/", "./", "../", "~/"].contains(where: { path.hasPrefix($0) }) else { return false }
        let parts = path.split(separator: "/")
        return path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "=") }
            && parts.allSatisfy { part in
                part.count < 20 || !part.contains(where: \.isNumber) || part.allSatisfy { !$0.isLetter }
            }
    }

    /// Whether users other than its owner may read the file.
    var isOpenToOthers: Bool { status.kind == .regular && status.isOpenToOthers }

    /// Whether `path` leads to this file.
    func isFile(at path: String) -> Bool {
        status.kind == .regular && OpenFile.status(at: path)?.isSameFile(as: status) == true
    }

    /// - Parameter reason: Completes a sentence that begins with the file's name. Must not quote the file's contents.
    func invalid(_ reason: String) -> ProxyError {
        ProxyError(.invalidConfiguration, "\(setting): '\(path)' \(reason)")
    }

    var pem: PEMText { PEMText(source: "\(setting): '\(path)'", bytes: bytes) }

    /// The lines and their numbers, without blank lines, comments and surrounding spaces.
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
