import Foundation
import Testing

@testable import Verbatim

@Suite("The table of settings")
struct SettingTableTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private func text(of path: String) throws -> String {
        try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
    }

    @Test("docs/configuration.md holds the table of settings, and nothing else between its markers")
    func documentation() throws {
        let path = "docs/configuration.md"
        let (start, end) = ("<!-- settings -->\n", "<!-- end of settings -->")
        let page = try text(of: path)
        let from = try #require(page.firstRange(of: start)).upperBound
        let to = try #require(page.firstRange(of: end)).lowerBound
        let tables = SettingGroup.all.map(\.documentation).joined() + "\n"
        if ProcessInfo.processInfo.environment["UPDATE_DOCUMENTATION"] == "1" {
            let updated = page.replacingCharacters(in: from..<to, with: tables)
            try updated.write(to: Self.root.appending(path: path), atomically: true, encoding: .utf8)
        } else {
            #expect(page[from..<to] == tables)
        }
    }

    @Test("No two settings share a flag or an environment variable")
    func names() {
        let variables = Setting.all.flatMap { [$0.variable] + $0.otherVariables }
        #expect(Set(variables).count == variables.count)
        #expect(Set(Setting.all.map(\.flag)).count == Setting.all.count)
        for setting in Setting.all {
            #expect(setting.flag.wholeMatch(of: /[a-z]+(-[a-z]+)*/) != nil)
            if let alternative = setting.alternative { #expect(Setting.all.contains { $0.flag == alternative }) }
        }
    }

    @Test("Every public field of ProxyConfiguration has a setting, and its comment states the setting's default")
    func comments() throws {
        let source = try text(of: "Sources/Verbatim/Configuration/ProxyConfiguration.swift")
        let pattern = /((?:    \/\/\/[^\n]*\n)+)    public var (\w+)/
        var comments: [String: String] = [:]
        for match in source.matches(of: pattern) {
            let lines = match.1.split(separator: "\n").map { $0.drop { $0 == " " || $0 == "/" } }
            comments[String(match.2)] = lines.joined(separator: " ")
        }
        // The logger is not a setting; those of the log are about its level.
        comments["logger"] = nil
        let settings = SettingGroup.all.filter { $0.title != SettingGroup.log.title }.flatMap(\.settings)
        #expect(Set(comments.keys) == Set(settings.map(\.fieldName)))
        for setting in settings {
            guard let text = setting.defaultText else { continue }
            let comment = try #require(comments[setting.fieldName])
            let stated = try #require(comment.firstRange(of: "Default: "), "no default: \(setting.fieldName)")
            let value = text.prefix { $0 != ":" }
            #expect(comment[stated.upperBound...].hasPrefix(value), "\(setting.fieldName): \(comment)")
        }
    }

    @Test("The variable's name follows from the flag's")
    func variables() throws {
        #expect(try setting("top-logprobs").variable == "VERBATIM_TOP_LOGPROBS")
        #expect(try setting("upstream-api-key").otherVariables == ["OPENCODE_UPSTREAM_API_KEY"])
    }

    @Test(
        "Sizes take units of 1024",
        arguments: [
            ("1048576", 1 << 20), ("64M", 64 << 20), ("2 MiB", 2 << 20), ("1kb", 1 << 10), ("3G", 3 << 30), ("0", 0),
            ("9223372036854775807", Int.max), ("64Q", nil), ("", nil), ("M", nil), ("9999999999G", nil), ("1.5M", nil),
        ])
    func bytes(text: String, expected: Int?) throws {
        var configuration = ProxyConfiguration(upstreamURL: "")
        let setting = try setting("max-body-size")
        if let expected {
            try setting.set([text], in: &configuration)
            #expect(configuration.maxBodySize == expected)
        } else {
            #expect(throws: SettingError.self) { try setting.set([text], in: &configuration) }
        }
    }

    @Test(
        "Times are seconds with decimals",
        arguments: [
            ("1.5", Duration.milliseconds(1500)), ("600", .seconds(600)), ("1e3", .seconds(1000)), ("soon", nil),
            ("inf", nil), ("1e11", nil),
        ])
    func seconds(text: String, expected: Duration?) throws {
        var configuration = ProxyConfiguration(upstreamURL: "")
        let setting = try setting("idle-timeout")
        if let expected {
            try setting.set([text], in: &configuration)
            #expect(configuration.idleTimeout == expected)
        } else {
            #expect(throws: SettingError.self) { try setting.set([text], in: &configuration) }
        }
    }

    @Test("Every kind of engine can be named, and its name leads back to it")
    func engines() {
        let engines = ProxyConfiguration.Engine.allCases
        #expect(engines.first == .auto && engines.last == .generic)
        #expect(Set(engines).count == engines.count)
        for engine in engines { #expect(ProxyConfiguration.Engine(engine.description) == engine) }
        #expect(ProxyConfiguration.Engine("abacus") == nil)
    }

    private func setting(_ flag: String) throws -> Setting {
        try #require(Setting.all.first { $0.flag == flag })
    }
}

extension Setting {
    /// The name of the field in `ProxyConfiguration`.
    fileprivate var fieldName: String { "\(field)".split(separator: ".").last.map(String.init) ?? "" }
}

extension SettingGroup {
    /// The group's section of `docs/configuration.md`.
    fileprivate var documentation: String {
        let rows = settings.map { setting in
            let value = setting.placeholder.map { " " + $0.uppercased() } ?? ""
            let cells = [
                "`--\(setting.flag)\(value)`", setting.defaultText ?? "required", setting.rangeText ?? "", setting.help,
            ]
            return "|" + cells.map { $0.isEmpty ? " " : " \($0) " }.joined(separator: "|") + "|\n"
        }
        return "\n## \(title)\n\n| flag | default | values | meaning |\n|---|---|---|---|\n" + rows.joined()
    }
}
