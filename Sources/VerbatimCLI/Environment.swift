import VerbatimPlatform

/// The process's environment, without Foundation.
enum Environment {
    /// The variables that a setting may read.
    static var variables: [String: String] {
        var variables: [String: String] = [:]
        for setting in Setting.all {
            for name in [setting.variable] + setting.otherVariables {
                if let value = getenv(name) { variables[name] = String(cString: value) }
            }
        }
        return variables
    }
}
