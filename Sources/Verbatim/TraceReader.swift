package import VerbatimTrace
import VerbatimPlatform

/// Reads a trace: all of it, or turn by turn as it grows.
///
///     for turn in try TraceReader(path: "trace.jsonl").turns().turns {
///         print(turn.number, turn.completionTokenIDs, turn.perTokenLogprobs)
///     }
public struct TraceReader: Sendable {
    /// The trace's file.
    public let path: String

    /// Does not touch the file.
    public init(path: String) {
        self.path = path
    }

    /// What the file holds now. A missing file holds nothing.
    public func turns() throws(TraceReaderError) -> TraceContents {
        var turns: [Turn] = []
        var invalidLines: [TraceContents.InvalidLine] = []
        guard OpenFile.status(at: path) != nil else { return TraceContents(turns: []) }
        let tornTail = try forEachTurn({ turns.append($0) }, onInvalidLine: { invalidLines.append($0) })
        return TraceContents(turns: turns, tornTail: tornTail, invalidLines: invalidLines)
    }

    /// The turns that are in the file, and then each as it is appended, until the task is cancelled.
    ///
    /// A missing file is waited for. An unfinished line is not looked at before its line break is there. If the file is
    /// renamed or deleted, it is read to its end, and then the one that stands at the path. If it is cut off, it is read
    /// from its start again.
    ///
    /// - Parameters:
    ///   - interval: How often to look whether the file has grown.
    ///   - onInvalidLine: Called for each line that is no record.
    public func follow(
        every interval: Duration = .milliseconds(100),
        onInvalidLine: (@Sendable (TraceContents.InvalidLine) -> Void)? = nil
    ) -> TurnUpdates {
        TurnUpdates(path: path, interval: interval, onInvalidLine: onInvalidLine)
    }

    /// Reads the file turn by turn, in memory for one; answers where it is torn.
    package func forEachTurn(
        _ body: (Turn) -> Void,
        onInvalidLine: (TraceContents.InvalidLine) -> Void = { _ in }
    ) throws(TraceReaderError) -> TraceContents.TornTail? {
        let file = try open()
        var buffer = LineBuffer()
        while try fill(&buffer, from: file) {
            while let line = buffer.nextLine() {
                switch buffer.turn(in: line) {
                case .success(let turn)?: body(turn)
                case .failure(let invalid)?: onInvalidLine(invalid)
                case nil: break
                }
            }
        }
        let tail = buffer.tail
        if tail.length == 0 { return nil }
        if let range = buffer.tailRange, let turn = try? Turn(json: Array(buffer.bytes[range])) {
            body(turn)
            return nil
        }
        return TraceContents.TornTail(offset: tail.offset, byteCount: tail.length)
    }

    /// Checks the file and tells what is wrong with it as it is found.
    package func check(report: (TraceCheck.Finding) -> Void) throws(TraceReaderError) -> TraceCheck.Summary {
        var check = TraceCheck()
        try read(into: &check, report: report)
        return check.finish(report: report)
    }

    /// Has `check` read the file, which tells what is wrong with it as it is found.
    package func read(
        into check: inout TraceCheck, report: (TraceCheck.Finding) -> Void
    ) throws(TraceReaderError) {
        let file = try open()
        do throws(SystemError) {
            try check.read(file, report: report)
        } catch {
            throw TraceReaderError(.cannotRead, "cannot read the trace '\(path)': \(error)")
        }
    }

    /// As many of these bytes as the file has.
    func bytes(_ range: Range<Int>, of file: borrowing OpenFile) throws(TraceReaderError) -> [UInt8] {
        var bytes: [UInt8] = []
        do throws(SystemError) {
            _ = try file.read(upTo: range.count, at: range.lowerBound, into: &bytes)
            return bytes
        } catch {
            throw TraceReaderError(.cannotRead, "cannot read the trace '\(path)': \(error)")
        }
    }

    func fill(_ buffer: inout LineBuffer, from file: borrowing OpenFile) throws(TraceReaderError) -> Bool {
        do throws(SystemError) {
            return try buffer.fill(from: file)
        } catch {
            throw TraceReaderError(.cannotRead, "cannot read the trace '\(path)': \(error)")
        }
    }

    /// How long a FIFO may be without anybody who writes to it.
    private static let patience: Int32 = 2000

    /// Opens the file for reading. What cannot be a trace is refused: a folder, a device that has anything to read, a FIFO
    /// that nobody writes to.
    func open() throws(TraceReaderError) -> OpenFile {
        do throws(SystemError) {
            return try Self.open(path)
        } catch {
            let reason =
                switch error {
                case .isDevice: "it is a device, and no trace"
                case .hasNoWriter: "it is a FIFO, and nobody writes to it"
                default: error.description
                }
            throw TraceReaderError(.cannotOpen, "cannot open the trace '\(path)': \(reason)")
        }
    }

    private static func open(_ path: String) throws(SystemError) -> OpenFile {
        let file = try OpenFile(path, for: .reading)
        switch try file.status().kind {
        case .directory: throw .isDirectory
        case .characterDevice: if try !isEmpty(file) { throw .isDevice }
        case .fifo: if !file.waitForBytes(milliseconds: patience) { throw .hasNoWriter }
        case .regular, .other: break
        }
        return file
    }

    /// Whether a device is like the null device. Others may have no end.
    private static func isEmpty(_ device: borrowing OpenFile) throws(SystemError) -> Bool {
        var byte: [UInt8] = []
        guard device.waitForBytes(milliseconds: 0) else { return false }
        return try device.read(upTo: 1, at: 0, into: &byte) == 0
    }
}

extension LineBuffer {
    /// The record that is the line, or why it is none; `nil` for an empty line.
    func turn(in line: Line) -> Result<Turn, TraceContents.InvalidLine>? {
        switch line.omission {
        case .isTooLong:
            return .failure(TraceContents.InvalidLine(number: line.number, reason: "longer than any record"))
        case .isNoObject:
            return .failure(TraceContents.InvalidLine(number: line.number, reason: "no JSON object"))
        case nil: break
        }
        if bytes[line.range].allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\r") }) { return nil }
        do throws(TraceReaderError) {
            return .success(try Turn(json: Array(bytes[line.range])))
        } catch {
            return .failure(TraceContents.InvalidLine(number: line.number, reason: error.message))
        }
    }
}
