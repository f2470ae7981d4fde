package import VerbatimPlatform

/// Checks a whole trace, of one file or several, in memory for one line and the numbers of the turns.
package struct TraceCheck: Sendable {
    package struct Finding: Hashable, Sendable {
        /// Which of the files; 0 for the first.
        package let file: Int
        /// 1, 2, …
        package let line: Int
        package let message: String
    }

    package struct Summary: Hashable, Sendable {
        package var turns = 0
        package var sessions = 0
        package var findings = 0
        /// Sessions whose first turns stand in none of the files: they may in one that was renamed, as log rotation does.
        package var continuedSessions = 0
    }

    private var sequence = TurnSequenceCheck()
    private var summary = Summary()
    private var fileCount = 0

    package init() {}

    /// Reads the trace's next file to its end and tells what is wrong as it is found.
    package mutating func read(_ file: borrowing OpenFile, report: (Finding) -> Void) throws(SystemError) {
        var buffer = LineBuffer()
        fileCount += 1
        while try buffer.fill(from: file) {
            while let line = buffer.nextLine() { visit(line, of: buffer.bytes.span, report: report) }
        }
        let tail = buffer.tail
        if tail.length > 0 {
            let message = "torn: the last \(tail.length) bytes have no line break behind them"
            note(message, at: buffer.nextLineNumber, report)
        }
    }

    /// Tells what is missing, once all files have been read.
    package mutating func finish(report: (Finding) -> Void) -> Summary {
        for gap in sequence.gaps() {
            let missing = gap.missing
            let turns =
                missing.count == 1
                ? "turn \(missing.lowerBound)" : "turns \(missing.lowerBound) to \(missing.upperBound)"
            let message = "missing before this line's turn: \(turns) of session '\(gap.session)'"
            summary.findings += 1
            report(Finding(file: gap.place.file, line: gap.place.line, message: message))
        }
        summary.sessions = sequence.sessionCount
        summary.continuedSessions = sequence.continuedSessionCount
        return summary
    }

    private mutating func visit(_ line: LineBuffer.Line, of text: Span<UInt8>, report: (Finding) -> Void) {
        if let omission = line.omission { return note(RecordChecks.finding(omission), at: line.number, report) }
        var messages: [String] = []
        let identity = RecordChecks.check(text.extracting(line.range)) { messages.append($0) }
        for message in messages { note(message, at: line.number, report) }
        guard let identity else { return }
        summary.turns += 1
        let place = TurnSequenceCheck.Place(file: fileCount - 1, line: line.number)
        if !sequence.visit(identity.turn, of: identity.session, at: place) {
            note("turn \(identity.turn) of session '\(identity.session)' stands here again", at: line.number, report)
        }
    }

    private mutating func note(_ message: String, at line: Int, _ report: (Finding) -> Void) {
        summary.findings += 1
        report(Finding(file: fileCount - 1, line: line, message: message))
    }
}
