import ArgumentParser
import VerbatimPlatform

/// When to color standard output.
enum ColorChoice: String, CaseIterable, ExpressibleByArgument {
    /// On a terminal that can show colors, unless `NO_COLOR` is set.
    case auto
    case always
    case never

    var isOn: Bool {
        switch self {
        case .always: true
        case .never: false
        case .auto: isatty(STDOUT_FILENO) == 1 && !Self.isSet("NO_COLOR") && !Self.isDumb
        }
    }

    private static func isSet(_ variable: String) -> Bool {
        getenv(variable).map { $0.pointee != 0 } ?? false
    }

    private static var isDumb: Bool {
        getenv("TERM").map { String(cString: $0) == "dumb" } ?? false
    }
}
