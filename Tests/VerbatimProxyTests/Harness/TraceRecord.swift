import Foundation
import TestSupport
import Testing

/// The fields of a record that tests check, read by Foundation's JSON parser.
struct TraceRecord: Sendable {
    var turn: Int
    var session: String
    var parentSession: String?
    var retryOf: Int?
    var outcome: String
    var status: Int?
    var isStream: Bool
    var path: String
    var engine: String?
    var tokens: [String]
    var tokenIDs: [Int]
    var logprobs: [Double?]
    var finishReason: String?
    var level: String
    var isComplete: Bool
    var problems: [String]
    var content: String?
    var upstreamStatus: Int?
    /// As JSON text with sorted keys.
    var upstreamError: String?
    var latency: Double
    /// The whole line.
    var line: String

    /// All records of a trace. Each line must be whole, parse, and hold lists that align.
    static func all(in path: String) throws -> [TraceRecord] {
        guard let data = FileManager.default.contents(atPath: path), !data.isEmpty else { return [] }
        try #require(data.last == UInt8(ascii: "\n"), "the last line is torn")
        return try [UInt8](data).lines.map { try TraceRecord(line: Data($0)) }
    }

    init(line: Data) throws {
        let record = try #require(try JSONSerialization.jsonObject(with: line) as? [String: Any])
        #expect(record["schema"] as? String == "verbatim.turn/1")
        let dialects = ["chat.completions", "completions", "responses", "messages"]
        #expect(dialects.contains(record["dialect"] as? String ?? ""))
        self.line = String(decoding: line, as: UTF8.self)
        turn = try #require(record["turn"] as? Int)
        session = try #require(record["session_id"] as? String)
        parentSession = record["parent_session_id"] as? String
        retryOf = record["retry_of"] as? Int
        outcome = try #require(record["outcome"] as? String)
        status = record["status"] as? Int
        isStream = try #require(record["stream"] as? Bool)
        path = try #require(record["path"] as? String)
        engine = record["engine"] as? String
        // An entry without a value is `null`.
        tokens = try #require(record["completion_tokens"] as? [Any]).map { $0 as? String ?? "" }
        tokenIDs = try #require(record["completion_token_ids"] as? [Any]).map { $0 as? Int ?? -1 }
        logprobs = try #require(record["per_token_logps"] as? [Any]).map { $0 as? Double }
        finishReason = record["finish_reason"] as? String
        latency = try #require(record["latency_s"] as? Double)
        let capture = try #require(record["capture"] as? [String: Any])
        level = try #require(capture["level"] as? String)
        isComplete = try #require(capture["complete"] as? Bool)
        problems = try #require(capture["problems"] as? [String])

        let response = record["response"] as? [String: Any]
        let choice = (response?["choices"] as? [[String: Any]])?.first
        content = (choice?["message"] as? [String: Any])?["content"] as? String
        upstreamStatus = response?["upstream_status"] as? Int
        if let error = response?["upstream_error"], !(error is NSNull) {
            let text = try JSONSerialization.data(
                withJSONObject: error, options: [.sortedKeys, .withoutEscapingSlashes])
            upstreamError = String(decoding: text, as: UTF8.self)
        }
        if !tokenIDs.isEmpty && !logprobs.isEmpty { #expect(tokenIDs.count == logprobs.count) }
    }
}
