import VerbatimAPI

/// How a reply is meant to end. Engines lose different tokens at different endings, so that each is asked for.
enum ProbeEnding: String, CaseIterable, Sendable {
    /// The model ends by itself.
    case stop
    case toolCall = "tool_call"
    /// The reply runs into one of the agent's stop strings.
    case stopString = "stop_string"
    /// The reply reaches the agent's limit of tokens.
    case length

    /// In one word, for the table.
    var word: String { rawValue.split(separator: "_").joined(separator: "-") }
}

/// One kind of request that an agent may make, and how its reply is meant to end.
struct ProbeCell: Hashable, Sendable {
    let api: API
    let isStream: Bool
    let ending: ProbeEnding

    /// Returns every kind of request to `apis`. A reply's ``ProbeEnding/stop`` comes before its `stopString`, since the
    /// stop string is taken from it.
    static func all(of apis: [API]) -> [ProbeCell] {
        apis.flatMap { api in
            [false, true].flatMap { isStream in
                endings(of: api).map { ProbeCell(api: api, isStream: isStream, ending: $0) }
            }
        }
    }

    private static func endings(of api: API) -> [ProbeEnding] {
        switch api {
        case .chatCompletions, .messages: ProbeEnding.allCases
        case .completions: [.stop, .stopString, .length]
        case .responses: [.stop, .toolCall, .length]
        }
    }

    var name: String { "\(api.rawValue) \(isStream ? "stream" : "unary"), \(ending.word)" }

    var hasTools: Bool { ending == .toolCall }
}
