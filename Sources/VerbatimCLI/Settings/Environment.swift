import Verbatim
import VerbatimPlatform

/// The process's environment, without Foundation.
enum Environment {
    /// The variables that settings are read from.
    static var variables: [String: String] {
        var variables: [String: String] = [:]
        for name in Setting.all.flatMap(\.variables) {
            if let value = getenv(name) { variables[name] = String(cString: value) }
        }
        return variables
    }
}
