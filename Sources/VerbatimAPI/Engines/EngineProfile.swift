/// What an engine takes, what its replies look like, and what gives it away: data, so that someone who knows an engine
/// can add it with one file and one line in ``all``.
@dynamicMemberLookup
package struct EngineProfile: Sendable {
    /// What a request is, as far as an engine treats it differently.
    package struct Situation: Hashable, Sendable {
        package let api: API
        package let isStream: Bool
        package let hasTools: Bool

        package init(_ api: API, isStream: Bool, hasTools: Bool) {
            self.api = api
            self.isStream = isStream
            self.hasTools = hasTools
        }
    }

    /// By what fields an engine is asked for token data.
    package struct TokenDataFields: Hashable, Sendable {
        package enum Logprobs: Hashable, Sendable {
            /// There is no way.
            case never
            /// `logprobs: true` and `top_logprobs: N`.
            case flag
            /// `logprobs: N`.
            case count
            /// `n_probs: N`.
            case nProbs
            /// `message.output_text.logprobs` among `include`, and `top_logprobs: N`.
            case included
        }

        package var logprobs: Logprobs
        package var ids: [IDRequest]

        package init(logprobs: Logprobs, ids: [IDRequest] = []) {
            self.logprobs = logprobs
            self.ids = ids
        }
    }

    /// A field that asks for token ids.
    package enum IDRequest: Hashable, Sendable {
        /// `name: true`
        case flag(String)
        /// `parent: {list: [member]}`
        case member(String, list: String, parent: String)
    }

    /// What to ask for in some situations; the first rule that fits a situation counts.
    package struct Rule: Hashable, Sendable {
        let api: API
        /// `nil`: streamed or not.
        var isStream: Bool?
        /// `nil`: with tools or without.
        var hasTools: Bool?
        let asking: TokenDataFields

        func fits(_ situation: Situation) -> Bool {
            api == situation.api && isStream ?? situation.isStream == situation.isStream
                && hasTools ?? situation.hasTools == situation.hasTools
        }

        static func asks(
            _ api: API, isStream: Bool? = nil, hasTools: Bool? = nil, logprobs: TokenDataFields.Logprobs? = nil,
            ids: [IDRequest] = []
        ) -> Rule {
            Rule(
                api: api, isStream: isStream, hasTools: hasTools,
                asking: TokenDataFields(logprobs: logprobs ?? api.usualLogprobs, ids: ids))
        }
    }

    /// How a field looks in a reply when its feature is off.
    package enum DisabledRepresentation: Hashable, Sendable {
        /// The key stands there with the value `null`.
        case null
        /// The key stands there with the value `[]`.
        case emptyArray
        /// The key is absent.
        case absent
    }

    /// What is known of it.
    package struct Traits: Sendable {
        /// The value of `--engine` and of a record's `engine`.
        package fileprivate(set) var name: String

        // MARK: Requests

        /// Where nothing fits, log-probabilities are asked for in the dialect's usual way, and no ids.
        package var rules: [Rule] = []
        /// Fewer alternatives than this give no log-probabilities at all.
        package var minimumTopLogprobs = 0
        /// More alternatives than this are refused.
        package var maximumTopLogprobs: Int?
        /// Parts of names, in lower case, of models that give no token data in the dialect `responses`: of gpt-oss vLLM and
        /// SGLang refuse log-probabilities there, and vLLM's messages are Harmony's, without ids.
        package var modelsWithoutResponseTokens = ["gpt-oss"]

        // MARK: Replies

        /// How `logprobs` of a choice looks when it is off, where it is not `null`.
        package var logprobsOffForms: [API: DisabledRepresentation] = [:]
        /// How `token_ids` and `prompt_token_ids` look when they are off.
        package var idsOffForm = DisabledRepresentation.null
        /// How `top_logprobs` of a response (dialect `responses`) reads when the agent did not set it.
        package var unsetTopLogprobs = "null"
        /// Whether a response repeats the agent's `top_logprobs` also if no log-probabilities were included.
        package var echoesUnusedTopLogprobs = false
        /// The dialects in which token data make events that bring nothing: a text, or every member of a delta, is null or
        /// empty.
        package var blankEvents: Set<API> = []
        /// Whether such deltas repeat the role.
        package var repeatsRole = false

        // MARK: Capture

        /// Whether `usage.completion_tokens` counts the tokens of all choices, and not of one alone.
        package var usageCoversAllChoices = true
        /// Whether streams leave out the token that ends a turn.
        package var streamsOmitEndToken = false
        /// Whether a streamed response (dialect `responses`) leaves out the log-probability of the token that ends it.
        package var responseStreamsOmitEndToken = false
        /// Whether entries of log-probabilities carry ids, so that none need to be asked for.
        package var entriesCarryIDs = false

        package var marks = EngineFingerprint()
    }

    /// Profiles are copied with every turn, and hardly ever changed.
    private final class Storage: Sendable {
        let traits: Traits
        init(_ traits: Traits) { self.traits = traits }
    }

    private var storage: Storage

    package init(name: String) { storage = Storage(Traits(name: name)) }

    /// The behaviour of `other`, but none of its marks.
    package init(name: String, like other: EngineProfile) {
        var traits = other.storage.traits
        traits.name = name
        traits.marks = EngineFingerprint()
        storage = Storage(traits)
    }

    package subscript<Value>(dynamicMember trait: KeyPath<Traits, Value>) -> Value { storage.traits[keyPath: trait] }

    package subscript<Value>(dynamicMember trait: WritableKeyPath<Traits, Value>) -> Value {
        get { storage.traits[keyPath: trait] }
        set {
            var traits = storage.traits
            traits[keyPath: trait] = newValue
            storage = Storage(traits)
        }
    }

    package func asking(in situation: Situation) -> TokenDataFields {
        storage.traits.rules.first { $0.fits(situation) }?.asking
            ?? TokenDataFields(logprobs: situation.api.usualLogprobs)
    }

    package func logprobsOffForm(in api: API) -> DisabledRepresentation {
        storage.traits.logprobsOffForms[api] ?? .null
    }

    /// Every profile that can be chosen by name. Those that are built after others, and so have marks in common with
    /// them, stand first.
    package static let all: [EngineProfile] = [
        .azure, .openRouter, .huggingFaceRouter, .dynamo, .tensorRTLLM, .sglang, .ollama, .lmStudio, .tgi, .llamaCpp,
        .openAI, .vllm,
    ]
}

extension EngineProfile {
    /// Every field that asks some engine for token ids.
    static let idRequests: [IDRequest] = {
        var requests: [IDRequest] = []
        for id in (all + [.generic]).flatMap(\.rules).flatMap(\.asking.ids) where !requests.contains(id) {
            requests.append(id)
        }
        return requests
    }()
}

extension API {
    /// How log-probabilities are asked for.
    var usualLogprobs: EngineProfile.TokenDataFields.Logprobs {
        switch self {
        case .chatCompletions: .flag
        case .completions: .count
        case .responses: .included
        case .messages: .never
        }
    }
}

extension EngineProfile: Hashable, CustomStringConvertible {
    /// A profile is known by its name.
    package static func == (one: EngineProfile, other: EngineProfile) -> Bool {
        one.storage === other.storage || one.name == other.name
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(self.name) }

    package var description: String { self.name }
}
