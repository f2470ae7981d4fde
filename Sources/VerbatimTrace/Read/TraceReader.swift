import VerbatimPlatform

/// Reads a trace: as a whole, or turn by turn as it grows.
///
///     for turn in try TraceReader(path: "trace.jsonl").turns().turns {
///         print(turn.number, turn.completionTokenIDs, turn.perTokenLogprobs)
///     }
public struct TraceReader: Sendable {
    /// The path of the trace's file.
    public let path: String

    /// The file is opened by the methods, not here.
    public init(path: String) {
        self.path = path
    }

    /// The traces in a folder, one for each rollout, in the order of their names.
    ///
    ///     for trace in try TraceReader.traces(inFolder: "traces") { print(try trace.turns().turns.count) }
    ///
    /// - Throws: ``TraceReaderError`` with the code `cannot_open` if the path is not a folder that can be read.
    public static func traces(inFolder path: String) throws(TraceReaderError) -> [TraceReader] {
        var names: [String] = []
        do throws(SystemError) {
            try FilePath.forEachName(inFolder: path) { if $0.hasSuffix(".jsonl") { names.append($0) } }
        } catch {
            throw TraceReaderError(.cannotOpen, "cannot open the folder '\(path)': \(error)", cause: error)
        }
        let folder = path.hasSuffix("/") ? path : path + "/"
        return names.sorted().map { TraceReader(path: folder + $0) }
    }

    /// Reads the whole file. A missing file has no turns.
    ///
    /// - Throws: ``TraceReaderError`` with the code `cannot_open` or `cannot_read`. Invalid lines are returned, not
    ///   thrown.
    public func turns() throws(TraceReaderError) -> TraceContents {
        var turns: [Turn] = []
        var invalidLines: [TraceContents.InvalidLine] = []
        guard OpenFile.status(at: path) != nil else { return TraceContents(turns: []) }
        let tornTail = try forEachTurn({ turns.append($0) }, onInvalidLine: { invalidLines.append($0) })
        return TraceContents(turns: turns, tornTail: tornTail, invalidLines: invalidLines)
    }

    /// Returns the turns in the file, and then each new one as it is appended, until the task is cancelled.
    ///
    /// The sequence waits for a missing file, and for the end of an unfinished line. If the file is renamed or deleted,
    /// it is read to its end, and then the new one at the path. If it is truncated, it is read again from its start.
    ///
    /// - Parameters:
    ///   - interval: The time between two checks whether the file has grown.
    ///   - onInvalidLine: Called for each line that is not a record.
    public func follow(
        every interval: Duration = .milliseconds(100),
        onInvalidLine: (@Sendable (TraceContents.InvalidLine) -> Void)? = nil
    ) -> TurnUpdates {
        TurnUpdates(path: path, interval: interval, onInvalidLine: onInvalidLine)
    }

    /// Reads the file turn by turn, with one turn in memory. Returns the unfinished line at the end, if there is one.
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

    /// Checks the file, and reports what is wrong as it is found.
    package func check(report: (TraceCheck.Finding) -> Void) throws(TraceReaderError) -> TraceCheck.Summary {
        var check = TraceCheck()
        try read(into: &check, report: report)
        return check.finish(report: report)
    }

    /// Checks the file as the next one of `check`, and reports what is wrong as it is found.
    package func read(
        into check: inout TraceCheck, report: (TraceCheck.Finding) -> Void
    ) throws(TraceReaderError) {
        let file = try open()
        do throws(SystemError) {
            try check.read(file, report: report)
        } catch {
            throw TraceReaderError(.cannotRead, "cannot read the trace '\(path)': \(error)", cause: error)
        }
    }

    /// The bytes of the range, fewer if the file is shorter.
    func bytes(_ range: Range<Int>, of file: borrowing OpenFile) throws(TraceReaderError) -> [UInt8] {
        var bytes: [UInt8] = []
        do throws(SystemError) {
            _ = try file.read(upTo: range.count, at: range.lowerBound, into: &bytes)
            return bytes
        } catch {
            throw TraceReaderError(.cannotRead, "cannot read the trace '\(path)': \(error)", cause: error)
        }
    }

    func fill(_ buffer: inout LineBuffer, from file: borrowing OpenFile) throws(TraceReaderError) -> Bool {
        do throws(SystemError) {
            return try buffer.fill(from: file)
        } catch {
            throw TraceReaderError(.cannotRead, "cannot read the trace '\(path)': \(error)", cause: error)
        }
    }

    /// The time in milliseconds to wait for a writer of a FIFO.
    private static let maximumWait: Int32 = 2000

    /// Opens the file for reading. Fails for what cannot be a trace: a folder, a device with data, a FIFO without a
    /// writer.
    func open() throws(TraceReaderError) -> OpenFile {
        do throws(SystemError) {
            return try Self.open(path)
        } catch {
            let reason =
                switch error {
                case .isDevice: "it is a device, not a trace"
                case .hasNoWriter: "it is a FIFO without a writer"
                default: error.description
                }
            throw TraceReaderError(.cannotOpen, "cannot open the trace '\(path)': \(reason)", cause: error)
        }
    }

    private static func open(_ path: String) throws(SystemError) -> OpenFile {
        let file = try OpenFile(path, for: .reading)
        switch try file.status().kind {
        case .directory: throw .isDirectory
        case .characterDevice: if try !isEmpty(file) { throw .isDevice }
        case .fifo: if !file.waitForBytes(milliseconds: maximumWait) { throw .hasNoWriter }
        case .regular, .other: break
        }
        return file
    }

    /// Whether a device has no data, like the null device. Others may be endless.
    private static func isEmpty(_ device: borrowing OpenFile) throws(SystemError) -> Bool {
        var byte: [UInt8] = []
        guard device.waitForBytes(milliseconds: 0) else { return false }
        return try device.read(upTo: 1, at: 0, into: &byte) == 0
    }
}

extension LineBuffer {
    /// The record in the line, or why it is not one; nil for an empty line.
    func turn(in line: Line) -> Result<Turn, TraceContents.InvalidLine>? {
        switch line.omission {
        case .isTooLong:
            return .failure(TraceContents.InvalidLine(number: line.number, reason: "longer than any record"))
        case .isNoObject:
            return .failure(TraceContents.InvalidLine(number: line.number, reason: "not a JSON object"))
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
