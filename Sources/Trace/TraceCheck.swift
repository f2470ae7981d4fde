/// Checks a whole trace, in memory for one line and the numbers of the turns.
package struct TraceCheck: Sendable {
    package struct Finding: Hashable, Sendable {
        /// 1, 2, …
        package let line: Int
        package let message: String
    }

    package struct Summary: Hashable, Sendable {
        package var turns = 0
        package var sessions = 0
        package var findings = 0
    }

    /// Reads the file to its end and tells what is wrong as it is found.
    package static func run(
        _ file: borrowing OpenFile,
        report: (Finding) -> Void
    ) throws(SystemError) -> Summary {
        var check = TraceCheck()
        var buffer = LineBuffer()
        while try buffer.fill(from: file) {
            while let line = buffer.nextLine() { check.visit(line, of: buffer.bytes.span, report: report) }
        }
        check.finish(buffer, report: report)
        return check.summary
    }

    private var sequence = TurnSequenceCheck()
    private var summary = Summary()
    private var lineCount = 0

    private mutating func visit(_ line: LineBuffer.Line, of text: Span<UInt8>, report: (Finding) -> Void) {
        lineCount = line.number
        if line.isTooLong { return note("the line is too long to be a record", at: line.number, report) }
        var messages: [String] = []
        let identity = RecordChecks.check(text.extracting(line.range)) { messages.append($0) }
        for message in messages { note(message, at: line.number, report) }
        guard let identity else { return }
        summary.turns += 1
        if !sequence.visit(identity.turn, of: identity.session, line: line.number) {
            note("turn \(identity.turn) of session '\(identity.session)' stands here again", at: line.number, report)
        }
    }

    private mutating func finish(_ buffer: LineBuffer, report: (Finding) -> Void) {
        if buffer.tail.length > 0 {
            note("torn: the last \(buffer.tail.length) bytes have no line break behind them", at: lineCount + 1, report)
        }
        for gap in sequence.gaps() {
            let turns =
                gap.missing.count == 1
                ? "turn \(gap.missing.lowerBound)" : "turns \(gap.missing.lowerBound) to \(gap.missing.upperBound)"
            note("missing before this line's turn: \(turns) of session '\(gap.session)'", at: gap.line, report)
        }
        summary.sessions = sequence.sessionCount
    }

    private mutating func note(_ message: String, at line: Int, _ report: (Finding) -> Void) {
        summary.findings += 1
        report(Finding(line: line, message: message))
    }
}
