import Foundation
import Logging
import Testing

@testable import VerbatimCLI

@Suite("Lines of the log")
struct LogLineTests {
    /// Returns the line for a message, after its time.
    private func line(
        _ message: Logger.Message, at level: Logger.Level = .info, _ metadata: Logger.Metadata? = nil,
        own: Logger.Metadata = [:]
    ) throws -> String {
        var handler = LineLogHandler(writer: LogWriter())
        handler.metadata = own
        let event = LogEvent(
            level: level, message: message, metadata: metadata, source: "", file: "", function: "", line: 0)
        let line = try #require(String(validating: handler.line(for: event), as: UTF8.self))
        let space = try #require(line.firstIndex(of: " "))
        let time = try Date(String(line[..<space]), strategy: .iso8601)
        #expect(abs(time.timeIntervalSinceNow) < 3600)
        return String(line[space...])
    }

    @Test("Fields are sorted by key, and those of the message replace those of the handler")
    func fields() throws {
        #expect(try line("turn", ["b": "2", "a": "1", "c": "\(3)"]) == " info turn a=1 b=2 c=3\n")
        #expect(try line("bare", at: .error) == " error bare\n")
        #expect(try line("own", ["a": "event"], own: ["a": "handler", "z": "1"]) == " info own a=event z=1\n")
        #expect(try line("list", ["l": ["a", "b"]]) == #" info list l="[\"a\", \"b\"]""# + "\n")
    }

    @Test(
        "A value that could be mistaken for another field or control the terminal is quoted",
        arguments: [
            ("", "-"), ("plain", "plain"), ("ü/ß", "ü/ß"), ("two words", #""two words""#), ("a=b", #""a=b""#),
            (#"say "x""#, #""say \"x\"""#), ("it's 1", #""it's 1""#), ("line\nbreak", #""line\nbreak""#),
            ("\u{1B}[31m", #""\u{1b}[31m""#), ("\u{7F}", #""\u{7f}""#), ("a\u{85}b", #""a\u{85}b""#),
            ("m\u{9B}2J", #""m\u{9b}2J""#), ("a\u{2028}b", #""a\u{2028}b""#), ("a\u{202E}b", #""a\u{202e}b""#),
            ("ü b", #""ü b""#), ("a\u{3000}b", "\"a\u{3000}b\""), ("ü=1", #""ü=1""#),
        ])
    func values(value: String, written: String) throws {
        #expect(try line("m", ["k": .string(value)]) == " info m k=\(written)\n")
    }

    /// The agent chooses its model's name, which must not keep the line out of the log.
    @Test("A long value is shortened", arguments: ["x", "ü", "e\u{301}"]) func longValues(repeated: String) throws {
        let value = String(repeating: repeated, count: 2 << 20)
        let kept = String(value.unicodeScalars.prefix(2_000))
        #expect(try line("m", ["k": .string(value), "z": "1"]) == " info m k=\"\(kept)…\" z=1\n")
    }
}
