package import VerbatimJSON
import VerbatimSchema

/// Encodes a row as one line of JSON, `verbatim.row/1`.
package enum RowEncoder {
    package static let schema = "verbatim.row/1"

    /// Appends the row's line, with its line break.
    ///
    /// - Parameter rollout: The rollout that the row belongs to.
    package static func append(_ row: Row, of rollout: Rollout, to lines: inout [UInt8]) {
        let trainable = rollout.rows.count(where: \.isTrainable)
        JSONWriter.append(to: &lines) { json in
            json.object { json in
                json.member("schema", schema)
                json.member("rollout_id", row.rolloutID)
                json.member("session_id", row.sessionID)
                json.member("row_id", row.id)
                json.member("index", row.index)
                json.member("role", row.role.rawValue)
                json.member("role_reason", row.roleReason.rawValue)
                json.member("trainable", row.isTrainable)
                json.array("turns") { json in for span in row.spans { json.span(span) } }
                json.parent(row.parent)
                json.fork(row.fork)
                json.key("input_ids")
                json.raw { $0.appendList(row.inputIDs) { $0.appendDecimal(Int($1)) } }
                json.member("prompt_len", row.promptLength)
                json.key("loss_mask")
                json.raw { $0.appendList(row.lossMask) { $0.append($1 ? UInt8(ascii: "1") : UInt8(ascii: "0")) } }
                json.key("logprobs")
                json.raw { $0.appendList(row.logprobs) { $0.append(contentsOf: ($1 == 0 ? "0" : "\($1)").utf8) } }
                json.member("model", row.model)
                json.member("engine", row.engine)
                json.object("sampling") { json in
                    for (name, value) in row.sampling {
                        json.key(named: name)
                        json.normalized(value)
                    }
                }
                json.member("status", row.status.rawValue)
                json.member("terminal", row.isTerminal)
                json.member("rollout_rows", trainable)
                json.key("rollout_weight")
                json.raw(Array((row.isTrainable ? "\(1 / Double(trainable))" : "0").utf8))
                json.array("findings") { json in for finding in row.findings { json.finding(finding) } }
            }
        }
        lines.append(UInt8(ascii: "\n"))
    }
}

extension JSONWriter {
    fileprivate mutating func span(_ span: Row.Span) {
        object { json in
            json.member("session_id", span.key.session)
            json.member("turn", span.key.turn)
            json.member("choice", span.choice)
            json.range("context", span.context)
            json.range("completion", span.completion)
            json.member("trained", span.isTrained)
            json.member("role", span.role.rawValue)
            json.member("finish_reason", span.finishReason)
            json.member("outcome", span.outcome.rawValue)
        }
    }

    private mutating func range(_ name: StaticString, _ range: Range<Int>) {
        array(name) { json in
            json.value(range.lowerBound)
            json.value(range.upperBound)
        }
    }

    fileprivate mutating func parent(_ parent: Row.Parent?) {
        guard let parent else {
            key("parent")
            return null()
        }
        object("parent") { json in
            json.member("session_id", parent.session)
            json.member("turn", parent.turn)
            json.member("relation", parent.relation.rawValue)
        }
    }

    fileprivate mutating func fork(_ fork: Fork?) {
        guard let fork else {
            key("fork")
            return null()
        }
        object("fork") { json in
            json.member("session_id", fork.key.session)
            json.member("turn", fork.key.turn)
            json.member("position", fork.position)
            json.member("kind", fork.kind.rawValue)
            json.member("lost_tokens", fork.lostTokens)
            json.member("label", fork.label?.rawValue)
        }
    }

    /// Writes a finding as an object.
    package mutating func finding(_ finding: Finding) {
        object { json in
            json.member("level", finding.level.rawValue)
            json.member("code", finding.code.rawValue)
            json.member("session_id", finding.key.session)
            json.member("turn", finding.key.turn)
            json.member("detail", finding.detail)
        }
    }
}

extension Array where Element == UInt8 {
    fileprivate mutating func appendList<Value>(_ values: [Value], append: (inout [UInt8], Value) -> Void) {
        self.append(UInt8(ascii: "["))
        for (place, value) in values.enumerated() {
            if place > 0 { self.append(UInt8(ascii: ",")) }
            append(&self, value)
        }
        self.append(UInt8(ascii: "]"))
    }
}
