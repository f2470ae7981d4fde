package import VerbatimPlatform

/// Checks a whole trace of one or several files. Holds one line and the turn numbers in memory.
package struct TraceCheck: Sendable {
    package struct Finding: Hashable, Sendable {
        /// The index of the file, from 0.
        package let file: Int
        /// 1, 2, …
        package let line: Int
        package let message: String
        /// Whether it is worth knowing, but nothing is wrong.
        package var isNote = false
    }

    package struct Summary: Hashable, Sendable {
        package var turns = 0
        package var sessions = 0
        package var findings = 0
        /// Sessions whose first turn is in none of the files. It may be in one that was rotated away.
        package var continuedSessions = 0
        /// Turns that never ended, since the proxy was killed or still runs.
        package var unfinishedTurns = 0
    }

    private var sequence = TurnSequenceCheck()
    private var summary = Summary()
    private var fileCount = 0

    package init() {}

    /// Checks the trace's next file, and reports what is wrong as it is found.
    package mutating func read(_ file: borrowing OpenFile, report: (Finding) -> Void) throws(SystemError) {
        var buffer = LineBuffer()
        fileCount += 1
        while try buffer.fill(from: file) {
            while let line = buffer.nextLine() { visit(line, of: buffer.bytes.span, report: report) }
        }
        let tail = buffer.tail
        if tail.length > 0 {
            let message = "torn: the last \(tail.length) bytes are not followed by a line break"
            note(message, at: buffer.nextLineNumber, report)
        }
    }

    /// Reports missing turns, once all files have been read.
    package mutating func finish(report: (Finding) -> Void) -> Summary {
        for gap in sequence.gaps() {
            let missing = gap.missing
            let turns =
                missing.count == 1
                ? "turn \(missing.lowerBound)" : "turns \(missing.lowerBound) to \(missing.upperBound)"
            if gap.isExplained {
                summary.unfinishedTurns += missing.count
                let verb = missing.count == 1 ? "was" : "were"
                let message =
                    "note: \(turns) of session '\(gap.session)' \(verb) unfinished when a later turn was written: the "
                    + "proxy was killed, or still runs"
                report(Finding(file: gap.place.file, line: gap.place.line, message: message, isNote: true))
                continue
            }
            let message = "missing before this line's turn: \(turns) of session '\(gap.session)'"
            summary.findings += 1
            report(Finding(file: gap.place.file, line: gap.place.line, message: message))
        }
        summary.sessions = sequence.sessionCount
        summary.continuedSessions = sequence.continuedSessionCount
        return summary
    }

    private mutating func visit(_ line: LineBuffer.Line, of text: Span<UInt8>, report: (Finding) -> Void) {
        if let omission = line.omission { return note(Self.finding(omission), at: line.number, report) }
        var messages: [String] = []
        let identity = RecordChecks.check(text.extracting(line.range)) { messages.append($0) }
        for message in messages { note(message, at: line.number, report) }
        guard let identity else { return }
        summary.turns += 1
        let place = TurnSequenceCheck.Place(file: fileCount - 1, line: line.number)
        if !sequence.visit(identity.turn, of: identity.session, at: place, unfinished: identity.unfinishedTurns) {
            note("turn \(identity.turn) of session '\(identity.session)' is repeated", at: line.number, report)
        }
    }

    private static func finding(_ omission: LineBuffer.Omission) -> String {
        switch omission {
        case .isTooLong: "the line is too long to be a record"
        case .isNoObject: "the line is not a JSON object"
        }
    }

    private mutating func note(_ message: String, at line: Int, _ report: (Finding) -> Void) {
        summary.findings += 1
        report(Finding(file: fileCount - 1, line: line, message: message))
    }
}
