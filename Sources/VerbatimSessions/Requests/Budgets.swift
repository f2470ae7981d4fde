package import VerbatimJSON

/// The limits of a rollout, over all its sessions. Without a value there is no limit.
package struct Budgets: Hashable, Sendable {
    /// What a turn gets that would begin beyond a limit.
    package enum Mode: String, CaseIterable, Sendable {
        /// A final message in the agent's own API, so that the agent stops.
        case stop
        /// A 429 that client libraries do not retry.
        case error
        /// As `stop`; before, the token limit of each request is lowered to what is left.
        case cut
    }

    package var calls: Int?
    package var promptTokens: Int?
    package var completionTokens: Int?
    package var totalTokens: Int?
    /// Seconds from the first call on.
    package var wallClock: Double?
    /// Seconds without a call.
    package var idle: Double?
    package var mode = Mode.stop

    package init() {}

    private static let names: Set<String> = [
        "calls", "prompt_tokens", "completion_tokens", "total_tokens", "wall_clock_s", "idle_s", "mode",
    ]

    package init?(in body: BodyFields) throws(SessionsError) {
        guard let fields = try body.fields("budgets", allowing: Self.names) else { return nil }
        calls = try fields.count("calls")
        promptTokens = try fields.count("prompt_tokens")
        completionTokens = try fields.count("completion_tokens")
        totalTokens = try fields.count("total_tokens")
        wallClock = try fields.seconds("wall_clock_s")
        idle = try fields.seconds("idle_s")
        mode = try fields.choice("mode", of: Mode.self) ?? .stop
    }

    package func write(to json: inout JSONWriter) {
        json.object("budgets") { json in
            if let calls { json.member("calls", calls) }
            if let promptTokens { json.member("prompt_tokens", promptTokens) }
            if let completionTokens { json.member("completion_tokens", completionTokens) }
            if let totalTokens { json.member("total_tokens", totalTokens) }
            if let wallClock { json.member("wall_clock_s", seconds: wallClock) }
            if let idle { json.member("idle_s", seconds: idle) }
            json.member("mode", mode.rawValue)
        }
    }
}

extension JSONWriter {
    /// Writes a number of seconds.
    mutating func member(_ name: StaticString, seconds: Double) {
        key(name)
        raw(Array(seconds.description.utf8))
    }
}
