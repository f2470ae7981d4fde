/// A remark about a rollout for those who train on it.
package struct Finding: Hashable, Sendable {
    package enum Level: String, Sendable { case info, warning, error }

    /// What was found. Codes are stable.
    package enum Code: String, CaseIterable, Sendable {
        /// The turn has no token ids of its prompt: its row begins with what was sampled.
        case noPromptIDs = "no_prompt_ids"
        case contradictedCapture = "contradicted_capture"
        /// The turn sampled tokens, but the engine sent no ids of them.
        case noTokenIDs = "no_token_ids"
        /// The turn failed or sampled nothing.
        case noTokens = "no_tokens"
        /// An id is no number from 0 to 2^32 - 1.
        case tokenIDOutOfRange = "token_id_out_of_range"
        /// Ids and log-probabilities have different numbers.
        case misalignedTokens = "misaligned_tokens"
        /// Tokens without a log-probability are not trained.
        case logprobMissing = "logprob_missing"
        /// The record says that its data are not complete.
        case incompleteCapture = "incomplete_capture"
        /// Several turns with the same tokens could be the one before.
        case ambiguousParent = "ambiguous_parent"
        /// The prompt does not continue an earlier turn exactly.
        case fork
        /// The same prompt was sampled several times, and no sample was continued.
        case resampled
        /// A grammar or a forced tool decided a part of the tokens.
        case constrainedDecoding = "constrained_decoding"
        /// The request has images or sound that token ids do not show. The turn is not trained.
        case multimodalNotCaptured = "multimodal_not_captured"
        /// Two records have the same session and number.
        case duplicateTurn = "duplicate_turn"
        /// Sessions name each other as parents.
        case parentCycle = "parent_cycle"
    }

    package let level: Level
    package let code: Code
    package let key: TurnKey
    /// In plain English.
    package let detail: String

    package init(_ level: Level, _ code: Code, _ key: TurnKey, _ detail: String) {
        self.level = level
        self.code = code
        self.key = key
        self.detail = detail
    }
}
