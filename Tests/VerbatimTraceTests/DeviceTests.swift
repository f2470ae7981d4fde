import Foundation
import TestSupport
import Testing

@testable import VerbatimTrace

import VerbatimPlatform

@Suite struct DeviceTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test(
        "With a full device the recorder opens, and refuses turns",
        .enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
    func fullDeviceRefusesTurns() async throws {
        let log = Log()
        let recorder = try TraceRecorder(path: "/dev/full", log: log)
        #expect(recorder.refusal == "the trace cannot be written: No space left on device")
        #expect(await recorder.keep(.sample())?.systemError == .noSpace)
        recorder.close()
        #expect(log.messages.count == 2)
        #expect(log.messages.last == "records were lost: the trace could not be written")
    }

    @Test("The null device accepts every record of any number of recorders") func theNullDeviceTakesEverything()
        async throws
    {
        let recorder = try TraceRecorder(path: "/dev/null")
        let second = try TraceRecorder(path: "/dev/null")
        #expect(recorder.refusal == nil)
        #expect(await recorder.keep(.sample()) == nil)
        #expect(await second.keep(.sample()) == nil)
        recorder.close()
        second.close()
    }

    @Test("A FIFO can be opened without a reader") func aFIFONeedsNoReader() async throws {
        let path = folder.path("fifo")
        #expect(mkfifo(path, 0o600) == 0)
        let recorder = try TraceRecorder(path: path)
        #expect(recorder.refusal == nil)
        let reader = try OpenFile(path, for: .reading)
        for turn in 1...3 { #expect(await recorder.keep(.sample(turn: turn)) == nil) }
        let expected = (1...3).flatMap { TurnRecordEncoder.encode(.sample(turn: $0)) }
        var received: [UInt8] = []
        while received.count < expected.count {
            _ = try reader.read(upTo: 4096, at: received.count, into: &received)
        }
        #expect(received == expected)
        recorder.close()
    }

    @Test("A partly written line in a FIFO is ended, and written again as a whole") func aPartOfALineInAFIFOIsEnded()
        async throws
    {
        let path = folder.path("fifo")
        #expect(mkfifo(path, 0o600) == 0)
        let faults = FaultyFileSystem()
        faults.onWrite { number, _ in
            switch number {
            case 1: .short(9)
            case 2: .error(.noSpace)
            default: nil
            }
        }
        let recorder = try TraceRecorder(path: path, retryInterval: .seconds(3600), fileSystem: faults.system)
        let reader = try OpenFile(path, for: .reading)
        #expect(await recorder.keep(.sample(turn: 1)) != nil)
        #expect(await recorder.keep(.sample(turn: 2)) == nil)
        var received: [UInt8] = []
        while received.count(where: { $0 == 0x0A }) < 3 {
            _ = try reader.read(upTo: 4096, at: received.count, into: &received)
        }
        let lines = received.split(separator: 0x0A)
        #expect(lines.first.map { Array($0) } == Array(#"{"turn":1"#.utf8))
        #expect(lines.dropFirst().count == 2)
        for line in lines.dropFirst() { _ = try JSONSerialization.jsonObject(with: Data(line)) }
        recorder.close()
    }
}
