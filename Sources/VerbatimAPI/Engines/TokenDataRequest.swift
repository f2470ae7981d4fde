extension EngineProfile {
    /// The fields by which an engine is asked for token data.
    package struct TokenDataRequest: Hashable, Sendable {
        package var logprobs: LogprobsField
        package var ids: [IDField]

        package init(logprobs: LogprobsField, ids: [IDField] = []) {
            self.logprobs = logprobs
            self.ids = ids
        }
    }

    /// How a request asks for log-probabilities with N alternatives for each token.
    package enum LogprobsField: Hashable, Sendable {
        /// It cannot.
        case never
        /// `logprobs: true` and `top_logprobs: N`.
        case flag
        /// `logprobs: true` alone.
        case flagOnly
        /// `logprobs: N`.
        case count
        /// `n_probs: N`.
        case nProbs
        /// `message.output_text.logprobs` in the list `include`, and `top_logprobs: N`.
        case included
    }

    /// A field that asks for token ids.
    package enum IDField: Hashable, Sendable {
        /// `name: true`
        case flag(String)
        /// `parent: {list: [member]}`
        case member(String, list: String, parent: String)
    }

    /// The kind of a request, as far as engines treat requests differently.
    package struct RequestKind: Hashable, Sendable {
        package let api: API
        package let isStream: Bool
        package let hasTools: Bool

        package init(_ api: API, isStream: Bool, hasTools: Bool) {
            self.api = api
            self.isStream = isStream
            self.hasTools = hasTools
        }
    }

    /// What to ask for in requests of some kinds. The first rule that fits a request counts.
    package struct Rule: Hashable, Sendable {
        let api: API
        /// `nil`: streamed or not.
        let isStream: Bool?
        /// `nil`: with tools or without.
        let hasTools: Bool?
        let request: TokenDataRequest

        func fits(_ kind: RequestKind) -> Bool {
            api == kind.api && isStream ?? kind.isStream == kind.isStream
                && hasTools ?? kind.hasTools == kind.hasTools
        }

        /// - Parameters:
        ///   - isStream: Nil for streamed and other requests.
        ///   - hasTools: Nil for requests with and without tools.
        ///   - logprobs: Nil for the usual way of the API.
        static func asks(
            _ api: API, isStream: Bool? = nil, hasTools: Bool? = nil, logprobs: LogprobsField? = nil,
            ids: [IDField] = []
        ) -> Rule {
            Rule(
                api: api, isStream: isStream, hasTools: hasTools,
                request: TokenDataRequest(logprobs: logprobs ?? api.usualLogprobs, ids: ids))
        }
    }
}

extension API {
    /// How log-probabilities are asked for in this API.
    var usualLogprobs: EngineProfile.LogprobsField {
        switch self {
        case .chatCompletions: .flag
        case .completions: .count
        case .responses: .included
        case .messages: .never
        }
    }
}
