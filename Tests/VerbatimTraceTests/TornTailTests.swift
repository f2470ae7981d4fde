import Foundation
import Synchronization
import TestSupport
import Testing

@testable import VerbatimTrace

@Suite struct TornTailTests {
    private let folder: TemporaryFolder
    private var path: String { folder.path("trace.jsonl") }

    init() throws { folder = try TemporaryFolder() }

    private func permissions(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    @Test("The file is repaired for every length of its last line") func everyLengthOfTheLastLine() throws {
        let whole = TurnRecordEncoder.encode(.sample(turn: 1, session: "s"))
        let last = TurnRecordEncoder.encode(.sample(turn: 2, session: "s"))
        for length in 0...last.count {
            let path = folder.path("trace-\(length)")
            let tail = Array(last.prefix(length))
            try write(whole + tail, to: path)
            let log = Log()
            let recorder = try TraceRecorder(path: path, fileSystem: FaultyFileSystem().system, log: log)
            let next = try recorder.next("s")
            recorder.close()
            switch length {
            case 0, last.count:
                #expect(log.messages == [])
                #expect(try contents(path) == whole + tail)
            case last.count - 1:
                #expect(log.messages == ["added the line break missing at the end of the trace"])
                #expect(try contents(path) == whole + last)
            default:
                #expect(log.messages == ["set aside an unfinished line at the end of the trace"])
                #expect(try contents(path) == whole)
                #expect(try contents(path + ".torn-1") == tail)
            }
            #expect(next == (length >= last.count - 1 ? 3 : 2), "\(length)")
        }
    }

    @Test("Files with earlier torn lines are kept") func setAsideFilesAreKept() throws {
        for number in 1...3 {
            try write(Array("torn \(number)".utf8), to: path)
            let log = Log()
            try TraceRecorder(path: path, log: log).close()
            #expect(try contents(path) == [])
            #expect(log.events.first?.metadata.map(\.value) == ["\(path).torn-\(number)", "6"])
        }
        for number in 1...3 {
            #expect(try contents("\(path).torn-\(number)") == Array("torn \(number)".utf8))
            #expect(try permissions("\(path).torn-\(number)") == 0o600)
        }
    }

    @Test(
        "A tail that is not a record is moved to its own file",
        arguments: ["{}x", "[1]", "3}", "\0\0\0\0", " ", "{\"a\":\"\u{1}\"}", "nul"])
    func invalidTailIsSetAside(_ tail: String) throws {
        try write(Array("{}\n".utf8) + Array(tail.utf8), to: path)
        try TraceRecorder(path: path).close()
        #expect(try contents(path) == Array("{}\n".utf8))
        #expect(try contents(path + ".torn-1") == Array(tail.utf8))
    }

    /// Otherwise each attempt would leave another copy.
    @Test("If truncation fails, the tail is not copied at each attempt")
    func tailIsCopiedOnceIfTruncationFails() throws {
        let torn = Array(#"{"turn":1"#.utf8)
        try write(torn, to: path)
        let faults = FaultyFileSystem()
        faults.state.withLock { $0.failsTruncation = true }
        for _ in 1...2 {
            #expect(throws: TraceError.self) { try TraceRecorder(path: path, fileSystem: faults.system).close() }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["trace.jsonl"])
        #expect(try contents(path) == torn)
    }

    @Test("Tails longer than a chunk are repaired") func tailsLongerThanAChunk() throws {
        let tail = Array(#"{"turn":9,"request":""#.utf8) + [UInt8](repeating: 0x61, count: LineBuffer.chunkSize * 3)
        try write(Array("{}\n".utf8) + tail, to: path)
        try TraceRecorder(path: path).close()
        #expect(try contents(path + ".torn-1") == tail)
        #expect(try contents(path) == Array("{}\n".utf8))

        let whole = tail + Array(#""}"#.utf8)
        try write(whole, to: path)
        let recorder = try TraceRecorder(path: path)
        #expect(recorder.nextTurn(inSession: "default") == 10)
        recorder.close()
        #expect(try contents(path) == whole + [UInt8(ascii: "\n")])
    }

    @Test("Recording continues after the repair") func recordingContinuesAfterTheRepair() async throws {
        try write(Array(#"{"turn":1}"#.utf8) + [0x0A] + Array(#"{"turn":2,"requ"#.utf8), to: path)
        let recorder = try TraceRecorder(path: path)
        #expect(await recorder.keep(.sample(turn: try recorder.next("default"))) == nil)
        recorder.close()
        #expect(try records(path).map { $0["turn"] as? Int } == [1, 2])
    }

    @Test("A failed repair leaves the file unchanged") func aFailingRepairLeavesTheFileAlone() throws {
        let faults = FaultyFileSystem()
        faults.state.withLock { $0.failsTruncation = true }
        let text = Array("{}\n{\"a".utf8)
        try write(text, to: path)
        let error = #expect(throws: TraceError.self) { _ = try TraceRecorder(path: path, fileSystem: faults.system) }
        #expect(error?.code == .cannotWrite)
        #expect(try contents(path) == text)
    }
}
