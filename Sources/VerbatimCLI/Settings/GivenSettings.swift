import Verbatim

/// The settings that a command was given. A flag takes precedence over the environment.
struct GivenSettings {
    private struct Value {
        let texts: [String]
        /// `--port` or `VERBATIM_PORT`.
        let source: String
        /// 0 for the flag, 1 for the setting's own variable, more for others. The lowest takes precedence.
        let rank: Int
    }

    private var values: [String: Value] = [:]

    /// - Parameters:
    ///   - flags: The values of the flags that were given, by flag.
    ///   - environment: An empty variable counts as not set.
    init(_ settings: [Setting], flags: [String: [String]], environment: [String: String]) throws(CommandFailure) {
        for setting in settings {
            if let texts = flags[setting.flag] {
                values[setting.flag] = Value(texts: texts, source: "--\(setting.flag)", rank: 0)
                continue
            }
            for (index, variable) in setting.variables.enumerated() {
                guard let text = environment[variable], !text.isEmpty else { continue }
                let texts = try Self.texts(of: setting, in: text, source: variable)
                values[setting.flag] = Value(texts: texts, source: variable, rank: 1 + index)
                break
            }
        }
        for setting in settings { try dropAlternative(of: setting) }
    }

    /// Whether the setting was given, by a flag or in the environment.
    func contains(flag: String) -> Bool { values[flag] != nil }

    /// Sets what was given of `settings`.
    func apply(_ settings: [Setting], to configuration: inout ProxyConfiguration) throws(CommandFailure) {
        for setting in settings {
            guard let value = values[setting.flag] else {
                if setting.defaultText == nil { throw Self.missing(setting) }
                continue
            }
            do {
                try setting.set(value.texts, in: &configuration)
            } catch {
                throw Self.invalid(value.texts.last ?? "", from: value.source, error.expectation)
            }
            if let problem = setting.rangeProblem(in: configuration) {
                throw .usage("\(value.source) \(problem)")
            }
        }
    }

    /// A list in a variable is separated by commas or spaces, and must not be empty.
    private static func texts(
        of setting: Setting, in text: String, source: String
    ) throws(CommandFailure) -> [String] {
        guard setting.form == .list else { return [text] }
        let texts = text.split { $0 == "," || $0 == " " }.map(String.init)
        if texts.isEmpty { throw invalid(text, from: source, "values separated by commas") }
        return texts
    }

    /// If a setting and its alternative are both given, the one of lower rank is used: a flag replaces a variable.
    /// Equal ranks are an error.
    private mutating func dropAlternative(of setting: Setting) throws(CommandFailure) {
        guard let alternative = setting.alternative, let one = values[alternative], let other = values[setting.flag]
        else { return }
        if one.rank == other.rank {
            throw .usage("\(one.source) and \(other.source) are both given: give one of them")
        }
        values[one.rank < other.rank ? setting.flag : alternative] = nil
    }

    private static func missing(_ setting: Setting) -> CommandFailure {
        .usage(
            setting.flag == "upstream-url"
                ? "missing --upstream-url: where is the engine? For example --upstream-url http://127.0.0.1:8000/v1"
                : "missing --\(setting.flag)")
    }

    private static func invalid(_ text: String, from source: String, _ expectation: String) -> CommandFailure {
        .usage("\(source): expected \(expectation), not \"\(text)\"")
    }
}

extension Setting {
    /// The environment variables that are read if the flag is missing, in order.
    var variables: [String] { [variable] + otherVariables }
}
