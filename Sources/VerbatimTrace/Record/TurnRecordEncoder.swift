import VerbatimJSON
import VerbatimSchema

/// Encodes a record as one line of the trace.
///
/// The line is valid JSON if the record's texts are (see ``TurnRecord``): they are not parsed again.
package enum TurnRecordEncoder {
    /// The record's line, with its line break.
    package static func encode(_ record: TurnRecord) -> [UInt8] {
        var line: [UInt8] = []
        line.reserveCapacity(record.estimatedSize)
        append(record, to: &line)
        return line
    }

    /// Appends the record's line, with its line break.
    static func append(
        _ record: TurnRecord, incompleteLists: IncompleteLists = .keep,
        to lines: inout [UInt8]
    ) {
        if incompleteLists == .empty, !record.isComplete {
            append(record.withoutTokens, to: &lines)
            return
        }
        let start = lines.count
        var isWhole = true
        JSONWriter.append(to: &lines) { json in
            json.object { json in
                json.originalFields(of: record)
                json.addedFields(of: record)
                // Written last, because it states what was lost in the fields before.
                json.capture(of: record)
            }
            isWhole = json.losses.isEmpty
        }
        lines.append(UInt8(ascii: "\n"))
        if incompleteLists == .empty, !isWhole {
            // What was lost made it incomplete.
            lines.removeLast(lines.count - start)
            var incomplete = record
            incomplete.isComplete = false
            append(incomplete.withoutTokens, to: &lines)
        }
    }
}

extension JSONWriter {
    // MARK: The three parts of a record

    /// The fields of the first version of the format, which its readers expect.
    fileprivate mutating func originalFields(of record: TurnRecord) {
        member("turn", record.turn)
        member("request", normalizing: record.request.bytes)
        key("response")
        if record.response.count == 0 { null() } else { normalized(record.response.append) }
        captures(of: record.firstChoice, includesLogprobs: record.includesLogprobs)
        member("latency_s", seconds: record.latency)
        member("timestamp", seconds: record.timestamp)
    }

    fileprivate mutating func addedFields(of record: TurnRecord) {
        member("schema", RecordSchema.turn)
        member("session_id", record.sessionID)
        member("parent_session_id", record.parentSessionID)
        member("retry_of", record.retryOf)
        if !record.unfinishedTurns.isEmpty {
            array("unfinished_turns") { json in for turn in record.unfinishedTurns { json.value(turn) } }
        }
        member("dialect", record.dialect)
        member("path", record.path)
        member("stream", record.isStream)
        member("outcome", record.outcome.rawValue)
        member("status", record.status)
        object("client_fields") { json in
            for field in record.clientFields { json.clientField(field) }
        }
        member("prompt_token_ids", normalizing: record.promptTokenIDs)
        if record.choices.count > 1 {
            array("choices") { json in
                for choice in record.choices { json.choice(choice, includesLogprobs: record.includesLogprobs) }
            }
        }
        member("usage", normalizing: record.usage)
        member("model", normalizing: record.model)
        member("response_id", normalizing: record.responseID)
        member("engine", record.engine)
        member("engine_source", record.engineSource)
        if !record.refusals.isEmpty { member("refusals", record.refusals) }
        member("ttft_s", seconds: record.timeToFirstToken)
    }

    fileprivate mutating func capture(of record: TurnRecord) {
        var problems = record.problems
        if losses.contains(.nonFiniteNumber), !problems.contains(ProblemCode.nonFiniteNumber) {
            problems.append(ProblemCode.nonFiniteNumber)
        }
        if losses.contains(.invalidUTF8), !problems.contains(ProblemCode.invalidUTF8) {
            problems.append(ProblemCode.invalidUTF8)
        }
        object("capture") { json in
            json.member("level", record.level.rawValue)
            json.member("complete", record.isComplete && json.losses.isEmpty)
            json.member("problems", problems.map(\.rawValue))
        }
    }

    // MARK: Composite fields

    private mutating func captures(of choice: ChoiceRecord, includesLogprobs: Bool) {
        if includesLogprobs {
            key("logprobs")
            if let logprobs = choice.logprobs { list(logprobs) } else { null() }
        }
        member("completion_tokens", choice.tokens)
        member("completion_token_ids", choice.tokenIDs)
        member("per_token_logps", choice.logprobValues)
        member("finish_reason", normalizing: choice.finishReason)
    }

    private mutating func choice(_ choice: ChoiceRecord, includesLogprobs: Bool) {
        object { json in
            json.member("index", choice.index)
            json.captures(of: choice, includesLogprobs: includesLogprobs)
            if let ids = choice.promptTokenIDs { json.member("prompt_token_ids", normalizing: ids) }
        }
    }

    private mutating func clientField(_ field: ClientField) {
        key(named: field.name)
        object { json in
            if let value = field.value { json.member("value", normalizing: value) } else { json.member("absent", true) }
        }
    }

    private mutating func member(_ name: StaticString, seconds: Double?) {
        key(name)
        if let seconds { raw { $0.appendSeconds(seconds) } } else { null() }
    }
}

extension TurnRecord {
    /// The record without what an agent's tokens are known to be. The rest of it still says that they were captured.
    fileprivate var withoutTokens: TurnRecord {
        var record = self
        for index in record.choices.indices {
            let choice = choices[index]
            record.choices[index] = ChoiceRecord(
                index: choice.index, finishReason: choice.finishReason, promptTokenIDs: choice.promptTokenIDs)
        }
        return record
    }

    /// The choice whose captured data the flat fields repeat.
    fileprivate var firstChoice: ChoiceRecord {
        choices.first { $0.index == 0 } ?? choices.first ?? ChoiceRecord()
    }
}
