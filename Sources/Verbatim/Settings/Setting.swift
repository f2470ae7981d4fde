/// A row of the table of settings (``SettingGroup``): one field of ``ProxyConfiguration``, and everything that the
/// command line, the environment, the checks at the start and the documentation state about it.
package struct Setting: Sendable {
    package enum Form: Sendable {
        /// `--flag VALUE`, at most once; the last one counts.
        case value
        /// `--flag VALUE`, any number of times.
        case list
        /// `--flag`
        case toggle
    }

    /// Without the leading dashes.
    package let flag: String
    package let form: Form
    let field: any PartialKeyPath<ProxyConfiguration> & Sendable
    /// The name of the value in the help text; nil for a toggle.
    package let placeholder: String?
    package private(set) var help: String
    /// The default as it is documented; nil if the setting must be given.
    package let defaultText: String?
    /// The values that are allowed, as documented; nil if any is.
    package let rangeText: String?
    /// Environment variables that are read after ``variable``, in this order.
    package private(set) var otherVariables: [String] = []
    /// The flag of a setting that must not be given beside this one.
    package private(set) var alternative: String?

    private let assign: @Sendable ([String], inout ProxyConfiguration) throws(SettingError) -> Void
    private let violation: @Sendable (ProxyConfiguration) -> String?

    /// The environment variable that is read if the flag is missing: `VERBATIM_TOP_LOGPROBS` for `--top-logprobs`.
    package var variable: String { "VERBATIM_" + flag.uppercased().split(separator: "-").joined(separator: "_") }

    /// Sets the field to the value that `texts` state: one text, or for a list any number.
    package func set(_ texts: [String], in configuration: inout ProxyConfiguration) throws(SettingError) {
        try assign(texts, &configuration)
    }

    /// Returns why the field's value is not allowed, or nil if it is.
    func problem(in configuration: ProxyConfiguration) -> String? {
        rangeProblem(in: configuration).map { "\(flag) \($0)" }
    }

    /// As `problem(in:)`, to be put after the name that the value was given by.
    package func rangeProblem(in configuration: ProxyConfiguration) -> String? {
        violation(configuration).map { "must \($0)" }
    }
}

// MARK: Rows

/// A field of the configuration.
typealias SettingField<Value> = any WritableKeyPath<ProxyConfiguration, Value> & Sendable

extension Setting {
    /// - Parameters:
    ///   - placeholder: nil makes the setting a toggle.
    ///   - defaultValue: The default if it is not that of ``ProxyConfiguration``.
    private init<Value: Sendable>(
        _ flag: String, _ field: SettingField<Value>, _ syntax: SettingSyntax<Value>, placeholder: String?,
        range: SettingRange<Value>?, defaultValue: Value? = nil, _ help: String
    ) {
        self.flag = flag
        self.field = field
        self.placeholder = placeholder
        self.help = help
        form = placeholder == nil ? .toggle : .value
        defaultText = syntax.format(defaultValue ?? ProxyConfiguration(upstreamURL: "")[keyPath: field])
        rangeText = range?.text
        assign = { texts, configuration throws(SettingError) in
            if let text = texts.last { configuration[keyPath: field] = try syntax.parse(text) }
        }
        violation = { range?.violation($0[keyPath: field]) }
    }

    /// - Parameter unset: What holds if the setting is not given.
    private init<Value: Sendable>(
        _ flag: String, _ field: SettingField<Value?>, _ syntax: SettingSyntax<Value>, placeholder: String,
        range: SettingRange<Value>?, unset: String, _ help: String
    ) {
        self.flag = flag
        self.field = field
        self.placeholder = placeholder
        self.help = help
        form = .value
        defaultText = unset
        rangeText = range?.text
        assign = { texts, configuration throws(SettingError) in
            if let text = texts.last { configuration[keyPath: field] = try syntax.parse(text) }
        }
        violation = { $0[keyPath: field].flatMap { range?.violation($0) } }
    }

    static func text(
        _ flag: String, _ field: SettingField<String>, _ placeholder: String, _ help: String
    ) -> Setting {
        Setting(flag, field, .text, placeholder: placeholder, range: nil, help)
    }

    static func text(
        _ flag: String, _ field: SettingField<String?>, _ placeholder: String, unset: String = "none", _ help: String
    ) -> Setting {
        Setting(flag, field, .text, placeholder: placeholder, range: nil, unset: unset, help)
    }

    static func number(
        _ flag: String, _ field: SettingField<Int>, in range: ClosedRange<Int>, _ help: String
    ) -> Setting {
        Setting(flag, field, .number, placeholder: "n", range: .numbers(range), help)
    }

    static func number(
        _ flag: String, _ field: SettingField<Int?>, in range: ClosedRange<Int>, unset: String = "none", _ help: String
    ) -> Setting {
        Setting(flag, field, .number, placeholder: "n", range: .numbers(range), unset: unset, help)
    }

    static func bytes(
        _ flag: String, _ field: SettingField<Int>, in range: ClosedRange<Int> = 1...Int.max, _ help: String
    ) -> Setting {
        Setting(flag, field, .bytes, placeholder: "bytes", range: .numbers(range, syntax: .bytes), help)
    }

    static func seconds(
        _ flag: String, _ field: SettingField<Duration>, within range: SettingRange<Duration> = .positive,
        _ help: String
    ) -> Setting {
        Setting(flag, field, .seconds, placeholder: "seconds", range: range, help)
    }

    static func seconds(
        _ flag: String, _ field: SettingField<Duration?>, unset: String = "none", _ help: String
    ) -> Setting {
        Setting(flag, field, .seconds, placeholder: "seconds", range: .positive, unset: unset, help)
    }

    static func choice<Value: CaseIterable & LosslessStringConvertible & Sendable>(
        _ flag: String, _ field: SettingField<Value>, _ placeholder: String, default defaultValue: Value? = nil,
        _ help: String
    ) -> Setting {
        Setting(flag, field, .choice, placeholder: placeholder, range: .all, defaultValue: defaultValue, help)
    }

    static func choice<Value: CaseIterable & LosslessStringConvertible & Sendable>(
        _ flag: String, _ field: SettingField<Value?>, _ placeholder: String, unset: String = "none", _ help: String
    ) -> Setting {
        Setting(flag, field, .choice, placeholder: placeholder, range: .all, unset: unset, help)
    }

    static func toggle(_ flag: String, _ field: SettingField<Bool>, _ help: String) -> Setting {
        Setting(flag, field, .toggle, placeholder: nil, range: nil, help)
    }

    /// A list of texts.
    static func list<Element: Sendable>(
        _ flag: String, _ field: SettingField<[Element]>, _ placeholder: String, unset: String, _ help: String,
        element: @escaping @Sendable (String) -> Element
    ) -> Setting {
        Setting(
            flag: flag, form: .list, field: field, placeholder: placeholder, help: help, defaultText: unset,
            rangeText: nil,
            assign: { texts, configuration throws(SettingError) in
                configuration[keyPath: field] = texts.map(element)
            },
            violation: { _ in nil })
    }

    /// A text without a default.
    static func required(
        _ flag: String, _ field: SettingField<String>, _ placeholder: String, _ help: String
    ) -> Setting {
        Setting(
            flag: flag, form: .value, field: field, placeholder: placeholder, help: help, defaultText: nil,
            rangeText: nil,
            assign: { texts, configuration throws(SettingError) in
                if let text = texts.last { configuration[keyPath: field] = text }
            },
            violation: { _ in nil })
    }

    /// The setting, also read from another environment variable.
    func alsoRead(from variable: String) -> Setting {
        var setting = self
        setting.otherVariables.append(variable)
        return setting
    }

    /// The setting with another help text, for a command that makes another use of it.
    package func described(as help: String) -> Setting {
        var setting = self
        setting.help = help
        return setting
    }

    /// The setting, which must not be given beside another.
    func insteadOf(_ flag: String) -> Setting {
        var setting = self
        setting.alternative = flag
        return setting
    }
}
