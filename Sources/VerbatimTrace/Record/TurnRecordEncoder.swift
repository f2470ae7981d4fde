import VerbatimJSON

/// Writes a record as one line of the trace.
///
/// The line is valid JSON if the record's texts are (see ``TurnRecord``); they are not parsed again.
package enum TurnRecordEncoder {
    package static let schema = "verbatim.turn/1"

    /// The record's line, with its line break.
    package static func encode(_ record: TurnRecord) -> [UInt8] {
        var line: [UInt8] = []
        line.reserveCapacity(record.estimatedSize)
        append(record, to: &line)
        return line
    }

    /// Appends the record's line, with its line break.
    static func append(_ record: TurnRecord, to lines: inout [UInt8]) {
        var writer = LineWriter()
        swap(&writer.bytes, &lines)
        writer.write(record)
        swap(&writer.bytes, &lines)
    }
}

/// The line as it grows, and what was lost on the way.
private struct LineWriter {
    var bytes: [UInt8] = []
    private var losses: JSONNormalizer.Losses = []

    mutating func write(_ record: TurnRecord) {
        bytes.append(UInt8(ascii: "{"))
        writeOriginalFields(of: record)
        writeAddedFields(of: record)
        writeCapture(of: record)
        bytes.append(UInt8(ascii: "}"))
        bytes.append(UInt8(ascii: "\n"))
    }

    // MARK: The three parts of a record

    /// What readers of the format's first version know.
    private mutating func writeOriginalFields(of record: TurnRecord) {
        integer("turn", record.turn)
        json("request", record.request)
        bytes.appendJSONKey("response")
        if record.response.count == 0 { null() } else { losses.formUnion(record.response.append(to: &bytes)) }
        captures(of: record.firstChoice, includesLogprobs: record.includesLogprobs)
        seconds("latency_s", record.latency)
        seconds("timestamp", record.timestamp)
    }

    private mutating func writeAddedFields(of record: TurnRecord) {
        string("schema", TurnRecordEncoder.schema)
        string("session_id", record.sessionID)
        string("parent_session_id", record.parentSessionID)
        integer("retry_of", record.retryOf)
        string("dialect", record.dialect)
        string("path", record.path)
        bool("stream", record.isStream)
        string("outcome", record.outcome.rawValue)
        integer("status", record.status)
        clientFields(record.clientFields)
        json("prompt_token_ids", record.promptTokenIDs)
        if record.choices.count > 1 { choices(record.choices, includesLogprobs: record.includesLogprobs) }
        json("usage", record.usage)
        json("model", record.model)
        json("response_id", record.responseID)
        string("engine", record.engine)
        string("engine_source", record.engineSource)
        if !record.refusals.isEmpty { strings("refusals", record.refusals) }
        seconds("ttft_s", record.timeToFirstToken)
    }

    /// Comes last: only now is it known what was lost in the fields before.
    private mutating func writeCapture(of record: TurnRecord) {
        var problems = record.problems
        if losses.contains(.nonFiniteNumber), !problems.contains(ProblemCode.nonFiniteNumber) {
            problems.append(ProblemCode.nonFiniteNumber)
        }
        if losses.contains(.invalidUTF8), !problems.contains(ProblemCode.invalidUTF8) {
            problems.append(ProblemCode.invalidUTF8)
        }
        bytes.appendJSONKey("capture")
        bytes.append(UInt8(ascii: "{"))
        string("level", record.level.rawValue)
        bool("complete", record.isComplete && losses.isEmpty)
        strings("problems", problems)
        bytes.append(UInt8(ascii: "}"))
    }

    // MARK: Composite fields

    private mutating func captures(of choice: ChoiceRecord, includesLogprobs: Bool) {
        if includesLogprobs {
            if let logprobs = choice.logprobs { list("logprobs", logprobs) } else { json("logprobs", nil) }
        }
        list("completion_tokens", choice.tokens)
        list("completion_token_ids", choice.tokenIDs)
        list("per_token_logps", choice.logprobValues)
        json("finish_reason", choice.finishReason)
    }

    private mutating func choices(_ choices: [ChoiceRecord], includesLogprobs: Bool) {
        bytes.appendJSONKey("choices")
        bytes.append(UInt8(ascii: "["))
        for (position, choice) in choices.enumerated() {
            if position > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes.append(UInt8(ascii: "{"))
            integer("index", choice.index)
            captures(of: choice, includesLogprobs: includesLogprobs)
            if let ids = choice.promptTokenIDs { json("prompt_token_ids", ids) }
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(UInt8(ascii: "]"))
    }

    private mutating func clientFields(_ fields: [ClientField]) {
        bytes.appendJSONKey("client_fields")
        bytes.append(UInt8(ascii: "{"))
        for (index, field) in fields.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes.appendJSONString(field.name)
            bytes.append(contentsOf: ":{".utf8)
            if let value = field.value { json("value", value) } else { bool("absent", true) }
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(UInt8(ascii: "}"))
    }

    // MARK: Plain fields

    private mutating func json(_ key: StaticString, _ text: [UInt8]?) {
        bytes.appendJSONKey(key)
        guard let text, !text.isEmpty else { return null() }
        losses.formUnion(JSONNormalizer.append(text.indices, of: text.span, to: &bytes))
    }

    private mutating func list(_ key: StaticString, _ list: JSONList) {
        bytes.appendJSONKey(key)
        bytes.append(UInt8(ascii: "["))
        bytes.append(list.rope)
        bytes.append(UInt8(ascii: "]"))
    }

    private mutating func strings(_ key: StaticString, _ values: [String]) {
        bytes.appendJSONKey(key)
        bytes.append(UInt8(ascii: "["))
        for (index, value) in values.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes.appendJSONString(value)
        }
        bytes.append(UInt8(ascii: "]"))
    }

    private mutating func string(_ key: StaticString, _ value: String?) {
        bytes.appendJSONKey(key)
        if let value { bytes.appendJSONString(value) } else { null() }
    }

    private mutating func integer(_ key: StaticString, _ value: Int?) {
        bytes.appendJSONKey(key)
        if let value { bytes.append(contentsOf: String(value).utf8) } else { null() }
    }

    private mutating func bool(_ key: StaticString, _ value: Bool) {
        bytes.appendJSONKey(key)
        bytes.append(contentsOf: (value ? "true" : "false").utf8)
    }

    private mutating func seconds(_ key: StaticString, _ value: Double?) {
        bytes.appendJSONKey(key)
        if let value { bytes.appendSeconds(value) } else { null() }
    }

    private mutating func null() { bytes.append(contentsOf: "null".utf8) }
}

extension TurnRecord {
    /// The choice that the flat fields speak of.
    fileprivate var firstChoice: ChoiceRecord {
        choices.first { $0.index == 0 } ?? choices.first ?? ChoiceRecord()
    }
}
