import VerbatimJSON
import VerbatimSchema

/// How many tokens a turn used, and how that is known: what counts against a budget.
package struct TokenUse: Equatable, Sendable {
    /// The better a source, the higher.
    package enum Source: String, Sendable {
        /// The engine's `usage`.
        case engine
        /// The tokens in the record.
        case captured
        /// A guess from the length of texts.
        case estimated
    }

    package struct Count: Equatable, Sendable {
        package let tokens: Int
        package let source: Source

        package init(_ tokens: Int, _ source: Source) {
            self.tokens = tokens
            self.source = source
        }
    }

    /// What a record says about tokens.
    struct Evidence {
        /// JSON text.
        var usage: [UInt8]?
        /// Of the prompt; nil if its ids are not known. Only counted if the engine did not.
        var promptTokens: () -> Int? = { nil }
        /// Over all choices.
        var completionTokens = 0
        /// Whether there are tokens that were not captured.
        var lacksTokens = false
        /// Whether the reply came to its end, so that the engine's count is the last.
        var isFinished = true
        /// Whether the engine refused the request or was not asked, so that nothing was used.
        var isRefused = false
        /// In bytes.
        var requestSize = 0
        /// JSON text. Only read for an estimate.
        var response: () -> [UInt8] = { [] }
    }

    /// - Parameter level: What was captured.
    static func isRefused(_ outcome: TurnOutcome, level: CaptureLevel) -> Bool {
        level == .none && (outcome == .upstreamError || outcome == .refused)
    }

    /// In English text and code a token has about four bytes.
    private static let bytesPerToken = 4

    package let prompt: Count
    package let completion: Count

    package init(prompt: Count, completion: Count) {
        self.prompt = prompt
        self.completion = completion
    }

    package var total: Int { prompt.tokens.addingReportingOverflow(completion.tokens).partialValue }

    /// Whether a part is a guess.
    package var isEstimated: Bool { prompt.source == .estimated || completion.source == .estimated }

    init(_ evidence: Evidence) {
        let counts = EngineCounts(usage: evidence.usage ?? [])
        prompt = Self.prompt(evidence, counts)
        completion = Self.completion(evidence, counts)
    }

    private static func prompt(_ evidence: Evidence, _ counts: EngineCounts) -> Count {
        if let count = counts.prompt { return Count(count, .engine) }
        if let count = evidence.promptTokens() { return Count(count, .captured) }
        return evidence.isRefused ? Count(0, .captured) : Count(estimate(evidence.requestSize), .estimated)
    }

    /// An engine counts what it has generated so far in the events of a stream, and some count one of several choices.
    private static func completion(_ evidence: Evidence, _ counts: EngineCounts) -> Count {
        let engine = counts.completion ?? 0
        let captured = evidence.completionTokens
        let known = Count(max(engine, captured), engine >= captured && engine > 0 ? .engine : .captured)
        if evidence.isFinished, counts.completion != nil {
            return Count(known.tokens, captured > engine ? .captured : .engine)
        }
        if evidence.isRefused || (captured > 0 && !evidence.lacksTokens) { return known }
        let guess = estimate(OutputSize(of: evidence.response()).bytes)
        return guess > known.tokens ? Count(guess, .estimated) : known
    }

    private static func estimate(_ bytes: Int) -> Int { (bytes + bytesPerToken - 1) / bytesPerToken }
}

/// What an engine counted, in the words of any API.
private struct EngineCounts {
    var prompt: Int?
    var completion: Int?

    init(usage: [UInt8]) {
        let text = usage.span
        guard let usage = try? JSONObject(document: text) else { return }
        func count(_ name: StaticString) -> Int? {
            usage.value(name, in: text)?.int(in: text).flatMap { $0 >= 0 ? $0 : nil }
        }
        completion = count("completion_tokens") ?? count("output_tokens")
        prompt = count("prompt_tokens")
        if prompt == nil, let input = count("input_tokens") {
            // Anthropic's API counts tokens of the cache apart. In the others they are a part of the prompt's.
            let cached = [count("cache_creation_input_tokens"), count("cache_read_input_tokens")]
            prompt = cached.reduce(input) { $0.addingReportingOverflow($1 ?? 0).partialValue }
        }
    }
}

/// The length of everything that was generated, in a whole reply of any API.
private struct OutputSize {
    private(set) var bytes = 0

    /// The members whose texts a model generates.
    private static let names: [StaticString] = [
        "content", "text", "refusal", "reasoning", "reasoning_content", "thinking", "arguments", "input", "code",
        "name",
    ]

    init(of reply: [UInt8]) {
        let text = reply.span
        var cursor = JSONCursor(options: .nonFiniteNumbers)
        guard (try? cursor.peekKind(in: text)) == .object else { return }
        try? addMembers(with: &cursor, of: text) { key in
            ["choices", "output", "content"].contains { (name: StaticString) in key.equals(name, in: text) }
        }
    }

    private mutating func addMembers(
        with cursor: inout JSONCursor, of text: Span<UInt8>, where isRead: (JSONString) -> Bool
    ) throws(JSONError) {
        try cursor.enterObject(in: text)
        while let key = try cursor.nextKey(in: text) {
            if isRead(key) {
                try add(key, with: &cursor, of: text)
            } else {
                try cursor.skipValue(in: text)
            }
        }
    }

    /// Adds the value of a member.
    private mutating func add(
        _ key: JSONString, with cursor: inout JSONCursor, of text: Span<UInt8>
    ) throws(JSONError) {
        let isText = Self.names.contains { key.equals($0, in: text) }
        switch try cursor.peekKind(in: text) {
        case .string:
            let value = try cursor.skipValue(in: text)
            if isText { bytes += value.range.count - 2 }
        case .array:
            try cursor.enterArray(in: text)
            while try cursor.nextElement(in: text) { try add(key, with: &cursor, of: text) }
        case .object where key.equals("input", in: text):
            bytes += try cursor.skipValue(in: text).range.count
        case .object:
            try addMembers(with: &cursor, of: text) { !$0.equals("logprobs", in: text) }
        default: try cursor.skipValue(in: text)
        }
    }
}
