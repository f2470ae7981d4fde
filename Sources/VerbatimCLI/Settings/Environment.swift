import Verbatim
import VerbatimPlatform

/// The process's environment, without Foundation.
enum Environment {
    /// The variables that settings are read from.
    static var variables: [String: String] {
        var variables: [String: String] = [:]
        for name in Setting.all.flatMap(\.variables) { variables[name] = value(of: name) }
        return variables
    }

    static func value(of name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// The names of all variables; none where the system does not list them in a file.
    static var names: [String] {
        do throws(SystemError) {
            let file = try OpenFile("/proc/self/environ", for: .reading)
            var bytes: [UInt8] = []
            while bytes.count < 4 << 20, try file.read(upTo: 64 << 10, at: bytes.count, into: &bytes) > 0 {}
            return bytes.split(separator: 0).map {
                String(decoding: $0.prefix { $0 != UInt8(ascii: "=") }, as: UTF8.self)
            }
        } catch {
            return []
        }
    }
}
