import VerbatimJSON

/// A field of a choice that holds token data.
enum TokenField {
    case logprobs
    /// Instalments of ids.
    case tokenIDs
    /// SGLang's name for the ids of a whole chat completion.
    case responseTokenIDs
    case promptTokenIDs
    /// vLLM's, which come with log-probabilities of an echoed prompt.
    case promptLogprobs

    init?(_ key: JSONString, in text: Span<UInt8>) {
        if key.equals("logprobs", in: text) {
            self = .logprobs
        } else if key.equals("token_ids", in: text) {
            self = .tokenIDs
        } else if key.equals("prompt_token_ids", in: text) {
            self = .promptTokenIDs
        } else if key.equals("response_token_ids", in: text) {
            self = .responseTokenIDs
        } else if key.equals("prompt_logprobs", in: text) {
            self = .promptLogprobs
        } else {
            return nil
        }
    }
}
