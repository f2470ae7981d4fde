import Foundation
import VerbatimTrace
import Verbatim

/// Opening any file as a trace keeps every complete line and leaves no unfinished line.
enum TraceProperties {
    static func check(_ input: [UInt8]) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("verbatim-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("trace.jsonl").path
        try Data(input).write(to: URL(fileURLWithPath: path))

        let before = try TraceReader(path: path).turns()
        try TraceRecorder(TraceRecorder.Configuration(path: path)) { _ in }.close()
        let file = try Data(contentsOf: URL(fileURLWithPath: path))
        try Violation.unless(file.isEmpty || file.last == UInt8(ascii: "\n"), "the trace ends within a line")
        let wholeLines = input.lastIndex(of: UInt8(ascii: "\n")).map { input[...$0] } ?? []
        try Violation.unless(file.starts(with: wholeLines), "a whole line has been changed")
        let setAside = (try? Data(contentsOf: URL(fileURLWithPath: path + ".torn-1"))) ?? Data()
        try Violation.unless(
            file + setAside == Data(input) || file == Data(input) + [UInt8(ascii: "\n")], "bytes have been lost")
        let after = try TraceReader(path: path).turns()
        try Violation.unless(after.tornTail == nil, "a repaired trace is torn")
        try Violation.unless(after.turns == before.turns, "repairing changed what turns there are")
    }
}
