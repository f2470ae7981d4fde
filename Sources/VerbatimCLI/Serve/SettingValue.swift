import Verbatim

/// A setting's value as text, and where it came from: the flag, else the environment, else nowhere.
struct SettingValue {
    let setting: Setting
    /// `nil` for the default.
    let text: String?
    /// `--port` or `VERBATIM_PORT`, for error messages.
    let source: String
    /// Where it came from: the flag before its own variable before others.
    let rank: Int

    init(_ setting: Setting, flag: String?, environment: [String: String]) {
        self.setting = setting
        if let flag {
            text = flag
            source = "--\(setting.flag)"
            rank = 0
            return
        }
        for (index, variable) in ([setting.variable] + setting.otherVariables).enumerated() {
            if let value = environment[variable], !value.isEmpty {
                text = value
                source = variable
                rank = 1 + index
                return
            }
        }
        text = nil
        source = "--\(setting.flag)"
        rank = .max
    }

    /// Several values in one, with commas between. If it is set, there must be one.
    func list() throws -> [String] {
        guard let text else { return [] }
        let values = text.split { $0 == "," || $0 == " " }.map(String.init)
        if values.isEmpty { throw wrong("values with commas between") }
        return values
    }

    /// The upstream URL, which has no default.
    func upstreamURL() throws -> String {
        if let text { return text }
        throw CommandFailure.usage(
            "missing --upstream-url: where is the engine? For example --upstream-url http://127.0.0.1:8000/v1")
    }

    func integer() throws -> Int? {
        guard let text else { return nil }
        guard let number = Int(text) else { throw wrong("a whole number") }
        return number
    }

    /// Seconds, with decimals if wanted.
    func seconds() throws -> Duration? {
        guard let text else { return nil }
        guard let number = Double(text), number.isFinite, abs(number) < 1e10 else { throw wrong("a number of seconds") }
        return .milliseconds(Int64((number * 1000).rounded()))
    }

    /// Bytes; `K`, `M` and `G`, also with `iB` or `B` behind, multiply by 1024.
    func bytes() throws -> Int? {
        guard let text else { return nil }
        var digits = text.uppercased().filter { $0 != " " }[...]
        for suffix in ["IB", "B"] where digits.hasSuffix(suffix) {
            digits = digits.dropLast(suffix.count)
            break
        }
        var unit = 1
        if let letter = digits.last, let index = Array("KMG").firstIndex(of: letter) {
            unit = 1 << (10 * (index + 1))
            digits = digits.dropLast()
        }
        guard let number = Int(digits) else { throw wrong("a number of bytes such as 1048576 or 64M") }
        let (product, overflow) = number.multipliedReportingOverflow(by: unit)
        if overflow { throw wrong("a number of bytes that fits") }
        return product
    }

    func choice<Choice: RawRepresentable & CaseIterable>(of: Choice.Type) throws -> Choice?
    where Choice.RawValue == String {
        guard let text else { return nil }
        guard let choice = Choice(rawValue: text) else {
            throw wrong("one of " + Choice.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return choice
    }

    /// A switch in the environment.
    func isOn(flag: Bool) throws -> Bool {
        if flag { return true }
        switch text?.lowercased() {
        case nil, "0", "false", "no", "off": return false
        case "1", "true", "yes", "on": return true
        default: throw wrong("1 or 0")
        }
    }

    private func wrong(_ expected: String) -> CommandFailure {
        .usage("\(source): expected \(expected), not \"\(text ?? "")\"")
    }
}

extension ProxyConfiguration {
    /// What is said to the engine and believed of it. Of a key and a file of it, a flag wins over a variable.
    mutating func setUpstream(key: SettingValue, keyFile: SettingValue, authority: SettingValue) throws {
        if key.text != nil && key.rank == keyFile.rank {
            throw CommandFailure.usage("\(key.source) and \(keyFile.source) are both given: give one of them")
        }
        upstreamAPIKey = key.rank < keyFile.rank ? key.text : nil
        upstreamAPIKeyFile = keyFile.rank < key.rank ? keyFile.text : nil
        upstreamCA = authority.text
    }
}
