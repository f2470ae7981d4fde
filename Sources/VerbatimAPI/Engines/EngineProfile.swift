/// What an engine accepts, how its replies look, and how it is recognized.
///
/// A profile is data only. To add an engine, add one file with a profile and one element to ``all``.
@dynamicMemberLookup
package struct EngineProfile: Sendable {
    /// How a field looks in a reply when its feature is off.
    package enum ValueWhenOff: Hashable, Sendable {
        /// The field is there, with the value `null`.
        case null
        /// The field is there, with the value `[]`.
        case emptyArray
        /// The field is not there.
        case absent
    }

    /// What is known of an engine.
    package struct Traits: Sendable {
        /// The value of `--engine` and of a record's `engine`.
        package fileprivate(set) var name: String

        // MARK: Requests

        /// What to ask for. If no rule fits, log-probabilities are asked for in the usual way of the API, and no ids.
        package var rules: [Rule] = []
        /// With fewer alternatives than this, the engine gives no log-probabilities at all.
        package var minimumTopLogprobs = 0
        /// The engine refuses more alternatives than this.
        package var maximumTopLogprobs: Int?
        /// Parts of the names, in lower case, of models that give no token data in the API `responses`. For gpt-oss,
        /// vLLM and SGLang refuse log-probabilities there, and vLLM's messages are Harmony's, without ids.
        package var modelsWithoutResponseTokens = ["gpt-oss"]

        /// A streamed response (API `responses`) breaks off, instead of being refused, if it asks for more alternatives
        /// than the engine was started with.
        package var breaksResponseStreams = false

        // MARK: Replies

        /// How `logprobs` of a choice, or of a text of a response, looks when it is off. Default: `null`.
        package var logprobsWhenOff: [API: ValueWhenOff] = [:]
        /// How `token_ids` and `prompt_token_ids` look when they are off.
        package var idsWhenOff = ValueWhenOff.null
        /// The JSON text of `top_logprobs` in a response (API `responses`) when the agent did not set it.
        package var unsetTopLogprobs = "null"
        /// Whether a response repeats the agent's `top_logprobs` even if no log-probabilities were included.
        package var echoesUnusedTopLogprobs = false
        /// The APIs in which token data make events that hold nothing else: a text, or every member of a delta, is null
        /// or empty.
        package var blankEvents: Set<API> = []
        /// Whether the deltas of such events repeat the role.
        package var repeatsRole = false

        // MARK: Capture

        /// Whether `usage.completion_tokens` counts the tokens of all choices, and not of one choice only.
        package var usageCoversAllChoices = true
        /// Whether streams leave out the token that ends a turn.
        package var streamsOmitEndToken = false
        /// Whether a streamed response (API `responses`) leaves out the log-probability of the token that ends it.
        package var responseStreamsOmitEndToken = false
        /// Whether entries of log-probabilities carry ids, so that none need to be asked for.
        package var entriesCarryIDs = false
        /// Whether entries of log-probabilities carry ids only, and no texts.
        package var entriesLackTexts = false
        /// Whether `"top_logprobs": null` turns off the log-probabilities that `logprobs` asks for.
        package var nullTopLogprobsMeansNone = false
        /// What a stream is asked for, besides the rules, if the request has stop strings.
        package var idsOfStreamsWithStops: [IDField] = []

        package var fingerprint = EngineFingerprint()
    }

    /// Profiles are copied with every turn and hardly ever changed.
    private final class Storage: Sendable {
        let traits: Traits
        init(_ traits: Traits) { self.traits = traits }
    }

    private var storage: Storage

    package init(name: String) { storage = Storage(Traits(name: name)) }

    /// Makes a profile with all traits of `other` but its fingerprint.
    package init(name: String, like other: EngineProfile) {
        var traits = other.storage.traits
        traits.name = name
        traits.fingerprint = EngineFingerprint()
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

    /// The fields by which the engine is asked for token data in a request of this kind.
    package func tokenDataRequest(in kind: RequestKind) -> TokenDataRequest {
        storage.traits.rules.first { $0.fits(kind) }?.request ?? TokenDataRequest(logprobs: kind.api.usualLogprobs)
    }

    /// How `logprobs` looks in replies of an API when it is off.
    package func valueOfLogprobsWhenOff(in api: API) -> ValueWhenOff { storage.traits.logprobsWhenOff[api] ?? .null }

    /// Every profile that can be chosen by name. An engine that is built after another one shares some of its marks and
    /// comes before it.
    package static let all: [EngineProfile] = [
        .azure, .openRouter, .huggingFaceRouter, .dynamo, .tensorRTLLM, .sglang, .ollama, .lmStudio, .tgi, .mlxLM,
        .llamaCpp,
        .openAI, .vllm,
    ]
}

extension EngineProfile {
    /// Every field that asks some engine for token ids.
    static let idFields: [IDField] = {
        var fields: [IDField] = []
        for field in (all + [.generic]).flatMap(\.rules).flatMap(\.request.ids) where !fields.contains(field) {
            fields.append(field)
        }
        return fields
    }()
}

extension EngineProfile: Hashable, CustomStringConvertible {
    /// Profiles are equal if their names are.
    package static func == (one: EngineProfile, other: EngineProfile) -> Bool {
        one.storage === other.storage || one.name == other.name
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(self.name) }

    package var description: String { self.name }
}
