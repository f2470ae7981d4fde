/// The codes of a record's `capture.problems`. They are stable: readers match on them. `docs/trace.md` explains each.
package enum Problem {
    /// The engine refused log-probabilities; the turn was repeated without anything injected.
    package static let logprobsRefused = "logprobs_refused"
    /// The engine refused the flag for token ids; log-probabilities were kept.
    package static let tokenIDsRefused = "token_ids_refused"
    /// The engine allows fewer alternatives per token than were asked for.
    package static let topLogprobsLowered = "top_logprobs_lowered"
    /// The engine failed with 500; the turn was repeated without anything injected (`--retry-server-error`).
    package static let repeatedAfterError = "repeated_after_error"
    /// Token data were asked for and none came.
    package static let noTokenData = "no_token_data"
    /// Log-probabilities of a response were asked for, and ids came alone.
    package static let noLogprobs = "no_logprobs"
    /// The turn was captured below `--require-capture`.
    package static let belowRequirement = "below_requirement"
    /// Ids and log-probabilities of a choice differ in number.
    package static let idsLogprobsMismatch = "ids_logprobs_mismatch"
    /// Some tokens came without an id, others with one.
    package static let tokenIDsIncomplete = "token_ids_incomplete"
    /// The number of captured tokens differs from the engine's own count.
    package static let tokenCountMismatch = "token_count_mismatch"
    /// The engine counts the tokens of one choice only, so that nobody knows whether all of the others came.
    package static let tokenCountUnknown = "token_count_unknown"
    /// The token that ends the turn was counted by the engine, but not sent; all others were captured.
    package static let endTokenMissing = "end_token_missing"
    /// A log-probability was null, NaN or infinite.
    package static let logprobMissing = "logprob_missing"
    /// A log-probability was -9999 or less, which engines write for what they do not know; it stands as null.
    package static let logprobFiller = "logprob_filler"
    /// Every log-probability was 0, which engines write that do not compute them.
    package static let logprobsAllZero = "logprobs_all_zero"
    /// An event with tokens came twice; unless events are numbered, they stand in the record twice.
    package static let duplicateEvent = "duplicate_event"
    /// Tool calls or reasoning were streamed, but only the tokens of the visible text were sent.
    package static let hiddenTokensMissing = "hidden_tokens_missing"
    /// The prompt was echoed, and its tokens cannot be told from the completion's.
    package static let echoNotSeparated = "echo_not_separated"
    /// A `NaN` or an infinity stands as null in the record.
    package static let nonFiniteNumber = "non_finite_number"
    /// A text was not UTF-8; U+FFFD stands in the record for what could not be read.
    package static let invalidUTF8 = "invalid_utf8"
    /// The stream ended without its terminal event.
    package static let streamNotTerminated = "stream_not_terminated"
    /// Some choices have no finish reason although the reply came to its end and others have one.
    package static let finishReasonMissing = "finish_reason_missing"
    /// The reply has fewer choices than were asked for.
    package static let choicesMissing = "choices_missing"
    /// The reply ended early; what came until then is in the record.
    package static let replyCutOff = "reply_cut_off"
    /// An event's data were not JSON; it was forwarded as it came.
    package static let unparsedEvent = "unparsed_event"
    /// The reply was not JSON; it was forwarded as it came.
    package static let replyNotJSON = "reply_not_json"
    /// The reply was compressed although the request forbade it; it was forwarded as it came.
    package static let replyCompressed = "reply_compressed"
    /// The reply was larger than `--max-reply-size`; it was forwarded as it came.
    package static let replyTooLarge = "reply_too_large"
}
