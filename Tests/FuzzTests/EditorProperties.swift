import VerbatimJSON
import TestSupport

enum EditorProperties {
    private static let names = ["logprobs", "a", "", "stream", "\u{e9}", "top_logprobs"]
    private static let values = ["true", "null", "5", "[1,{\"x\":\"}\"}]", "\"\\\"\""]

    static func check(_ input: [UInt8]) throws {
        var choices = Choices(input)
        var set: [String: [UInt8]] = [:]
        for _ in 0..<choices.byte() % 4 { set[choices.pick(names)] = Array(choices.pick(values).utf8) }
        var removed: Set<String> = []
        for _ in 0..<choices.byte() % 4 { removed.insert(choices.pick(names)) }
        let text = Array(choices.rest)
        // The oracle takes keys for equal that differ in invalid UTF-8 only.
        guard ScannerProperties.deepest(in: text) < 400,
            let object = try? JSONObject(document: text.span, options: .validUTF8)
        else {
            return
        }
        guard var expected = try JSONOracle.comparableTree(of: text).members else {
            throw Violation(description: "the result is not an object")
        }
        removed.subtract(set.keys)
        for name in removed { expected[spelled(name)] = nil }
        for (name, value) in set { expected[spelled(name)] = try JSONOracle.comparableTree(of: value) }

        var edits = JSONEdits()
        edits.update(
            object, of: text.span, setting: set.sorted { $0.key < $1.key }.map { ($0.key, $0.value) },
            removing: removed.sorted())
        let length = edits.editedLength(of: text.count)
        let edited = edits.applied(to: text.span)
        try Violation.unless(edited.count == length, "the edited text has another length than was said")
        try Violation.unless(
            ScannerProperties.scans(edited, options: []),
            "the edited text is no JSON: \(String(decoding: edited, as: UTF8.self))")
        try Violation.unless(
            try JSONOracle.comparableTree(of: edited).members == expected,
            "the edited text means something else: \(String(decoding: edited, as: UTF8.self))")
        if set.isEmpty && removed.isEmpty { try Violation.unless(edited == text, "no edit changes the text") }
    }
}
