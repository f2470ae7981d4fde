import ArgumentParser
import Verbatim

/// Some rows of the table of settings.
protocol SettingSelection: Sendable {
    static var settings: [Setting] { get }
}

/// The command line options of some settings.
///
/// ArgumentParser finds a command's options by reflection. This type's mirror therefore lists an `Option` or `Flag` for
/// each row of the table, instead of declaring a property for each.
struct SettingOptions<Selection: SettingSelection>: ParsableArguments {
    /// The values of the flags that were given, by flag.
    let values: [String: [String]]

    init() { values = [:] }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        var values: [String: [String]] = [:]
        for setting in Selection.settings {
            let key = Key(stringValue: setting.flag)
            switch setting.form {
            case .value:
                let option = try container.decode(Option<String?>.self, forKey: key)
                if let value = option.wrappedValue { values[setting.flag] = [value] }
            case .list:
                let option = try container.decode(Option<[String]>.self, forKey: key)
                if !option.wrappedValue.isEmpty { values[setting.flag] = option.wrappedValue }
            case .toggle:
                let flag = try container.decode(Flag<Bool>.self, forKey: key)
                if flag.wrappedValue { values[setting.flag] = ["on"] }
            }
        }
        self.values = values
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}

extension SettingOptions: CustomReflectable {
    var customMirror: Mirror {
        Mirror(
            self,
            children: Selection.settings.map { setting in
                let name = NameSpecification.customLong(setting.flag)
                let help = ArgumentHelp(setting.helpText, valueName: setting.placeholder)
                let option: Any =
                    switch setting.form {
                    case .value: Option<String?>(name: name, help: help)
                    case .list: Option<[String]>(wrappedValue: [], name: name, help: help)
                    case .toggle: Flag<Bool>(wrappedValue: false, name: name, help: help)
                    }
                return (label: setting.flag, value: option)
            })
    }
}

extension Setting {
    /// The setting's line of `--help`.
    var helpText: String {
        let notes = [rangeText, defaultText.map { "default: \($0)" } ?? "required"]
        return "\(help) (\(notes.compactMap(\.self).joined(separator: "; ")))"
    }
}
