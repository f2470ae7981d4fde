import VerbatimJSON
import VerbatimSchema

/// Checks one line of a trace by itself.
enum RecordChecks {
    /// The turn that a line records.
    struct Identity {
        let session: String
        let turn: Int
        /// Earlier turns of the session that had no record when this one was written.
        var unfinishedTurns: [Int] = []
    }

    /// The fields that every record with a `schema` has.
    private static let requiredFields: [StaticString] = [
        "completion_tokens", "completion_token_ids", "per_token_logps", "finish_reason", "latency_s", "timestamp",
        "session_id", "dialect", "path", "stream", "outcome", "status", "client_fields", "prompt_token_ids", "usage",
        "model", "engine", "ttft_s", "capture",
    ]

    /// Reports what is wrong with the line. Returns the turn that it records, or nil if that is unknown.
    static func check(_ line: Span<UInt8>, report: (String) -> Void) -> Identity? {
        if line.isEmpty {
            report("the line is empty")
            return nil
        }
        let object: JSONObject
        do throws(JSONError) {
            guard let found = try JSONObject(document: line, options: [.validUTF8, .recordDepth]) else {
                report("the line is not a JSON object")
                return nil
            }
            object = found
        } catch {
            report("the line is not JSON: \(error)")
            return nil
        }
        if containsLineSeparator(line) { report("the line has an unescaped U+0085, U+2028 or U+2029") }
        for name in ["request", "response"] as [StaticString] where object.value(name, in: line)?.kind != .object {
            report("'\(name)' is not an object")
        }
        let captures = checkCaptures(of: object, in: line, report: report)
        if let schema = object.value("schema", in: line) {
            if schema.string(in: line) != RecordSchema.turn { report("'schema' is unknown") }
            checkOwnFields(of: object, captures: captures, in: line, report: report)
        }
        return identity(of: object, in: line, report: report)
    }

    private static func identity(
        of object: JSONObject,
        in line: Span<UInt8>,
        report: (String) -> Void
    ) -> Identity? {
        guard let turn = object.value("turn", in: line)?.int(in: line), turn > 0 else {
            report("'turn' is not a positive integer")
            return nil
        }
        let session = object.value("session_id", in: line)?.string(in: line) ?? RecordSchema.defaultSession
        let unfinished = object.value("unfinished_turns", in: line)?.elements(in: line)
        return Identity(
            session: session, turn: turn, unfinishedTurns: unfinished?.compactMap { $0.int(in: line) } ?? [])
    }

    /// Checks the captured data of each choice. Returns how many tokens they hold in total.
    private static func checkCaptures(
        of object: JSONObject,
        in line: Span<UInt8>,
        report: (String) -> Void
    ) -> CaptureCounts {
        let flat = CaptureCounts(of: object, in: line) { report($0) }
        guard let choices = object.value("choices", in: line) else { return flat }
        var total = CaptureCounts()
        var isValid = choices.kind == .array
        for element in choices.elements(in: line) ?? [] {
            guard let choice = element.object(in: line), let index = choice.value("index", in: line)?.int(in: line)
            else {
                isValid = false
                continue
            }
            total.add(CaptureCounts(of: choice, in: line) { report("choice \(index): \($0)") })
        }
        if !isValid { report("'choices' is not an array of objects with an 'index'") }
        return total
    }

    private static func checkOwnFields(
        of object: JSONObject,
        captures: CaptureCounts,
        in line: Span<UInt8>,
        report: (String) -> Void
    ) {
        for name in requiredFields where object.value(name, in: line) == nil { report("'\(name)' is missing") }
        if let outcome = object.value("outcome", in: line)?.string(in: line), !TurnOutcome(rawValue: outcome).isKnown {
            report("'outcome' is unknown: \(outcome)")
        }
        if let first = object.value("retry_of", in: line), !first.isNull {
            let turn = object.value("turn", in: line)?.int(in: line) ?? 0
            let number = first.int(in: line) ?? 0
            if number < 1 || number >= turn { report("'retry_of' is not an earlier turn") }
        }
        guard let capture = object.value("capture", in: line)?.object(in: line),
            let level = capture.value("level", in: line)?.string(in: line),
            let complete = capture.value("complete", in: line), complete.kind.isBool
        else { return report("'capture' lacks its level, or whether it is complete") }
        if !CaptureLevel(rawValue: level).isKnown { report("'capture.level' is unknown: \(level)") }
        if complete.kind == .true, capture.value("problems", in: line)?.elements(in: line)?.isEmpty == false {
            report("'capture' is complete, but has problems")
        }
        guard complete.kind == .true, captures.tokens > 0, let expected = completionTokens(of: object, in: line) else {
            return
        }
        // Some engines count the tokens of one choice only.
        if captures.tokens != expected && !captures.ofSeveralChoices.contains(expected) {
            report("'capture' is complete, but there are \(captures.tokens) tokens and 'usage' counts \(expected)")
        }
    }

    private static func completionTokens(of object: JSONObject, in line: Span<UInt8>) -> Int? {
        object.value("usage", in: line)?.object(in: line)?.value("completion_tokens", in: line)?.int(in: line)
    }
}

/// The lengths of the arrays of one choice's captured data.
private struct CaptureCounts {
    var tokens = 0
    /// The number of tokens of each choice, if there are several.
    var ofSeveralChoices: [Int] = []

    init() {}

    /// Counts, and reports arrays with wrong elements or different lengths. An empty array means unknown, and matches
    /// any length.
    init(of object: JSONObject, in line: Span<UInt8>, report: (String) -> Void) {
        var lengths: [(name: StaticString, count: Int)] = []
        func count(_ name: StaticString, isElement: (JSONValue) -> Bool) {
            guard let value = object.value(name, in: line), !value.isNull else { return }
            let elements = value.elements(in: line)
            if !(elements?.allSatisfy(isElement) ?? false) { report("'\(name)' is not an array of the right type") }
            if let count = elements?.count, count > 0 { lengths.append((name, count)) }
        }
        // An element is null if the engine did not send it for the token.
        count("completion_tokens") { $0.kind == .string || $0.isNull }
        count("completion_token_ids") { $0.int(in: line) != nil || $0.isNull }
        count("per_token_logps") { $0.kind == .number || $0.isNull }
        // The entries are as the engine sent them. Where it left some out, the other arrays have null.
        let isWhole = (["completion_tokens", "per_token_logps"] as [StaticString]).allSatisfy {
            object.value($0, in: line)?.elements(in: line)?.contains(where: \.isNull) == false
        }
        if isWhole, object.value("logprobs", in: line)?.kind == .array { count("logprobs") { _ in true } }
        tokens = lengths.first?.count ?? 0
        if lengths.contains(where: { $0.count != tokens }) {
            report("arrays differ in length: " + lengths.map { "'\($0.name)' \($0.count)" }.joined(separator: ", "))
        }
    }

    mutating func add(_ other: CaptureCounts) {
        tokens += other.tokens
        ofSeveralChoices.append(other.tokens)
    }
}
