/// What went wrong while a turn was captured: the elements of `capture.problems` in its record.
///
/// The codes are stable: readers match on them. `docs/trace.md` explains each, and a test compares it with ``all``. A
/// record of a later version may hold other codes. They are kept as they are; see ``isKnown``.
public struct ProblemCode: RawRepresentable, Hashable, Sendable {
    /// The value in the trace.
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }

    // MARK: The injection

    /// The engine refused log-probabilities; the turn was repeated without anything injected.
    public static let logprobsRefused = ProblemCode(rawValue: "logprobs_refused")
    /// The engine refused the flag for token ids; log-probabilities were kept.
    public static let tokenIDsRefused = ProblemCode(rawValue: "token_ids_refused")
    /// The engine allows fewer alternatives per token than were requested.
    public static let topLogprobsLowered = ProblemCode(rawValue: "top_logprobs_lowered")
    /// The engine failed with status 500; the turn was repeated without anything injected (`--retry-server-error`).
    public static let repeatedAfterError = ProblemCode(rawValue: "repeated_after_error")

    // MARK: Token data

    /// Token data were requested, but the reply had none.
    public static let noTokenData = ProblemCode(rawValue: "no_token_data")
    /// Log-probabilities of a response were requested, but only ids came.
    public static let noLogprobs = ProblemCode(rawValue: "no_logprobs")
    /// The turn was captured below the level that `--require-capture` demands.
    public static let belowRequirement = ProblemCode(rawValue: "below_requirement")
    /// A choice has a different number of ids than of log-probabilities.
    public static let idsLogprobsMismatch = ProblemCode(rawValue: "ids_logprobs_mismatch")
    /// Some tokens came with an id and others without one.
    public static let tokenIDsIncomplete = ProblemCode(rawValue: "token_ids_incomplete")
    /// The number of captured tokens differs from the engine's own count.
    public static let tokenCountMismatch = ProblemCode(rawValue: "token_count_mismatch")
    /// The engine counts the tokens of one choice only, so that it is unknown whether all tokens of the others came.
    public static let tokenCountUnknown = ProblemCode(rawValue: "token_count_unknown")
    /// The engine counted the token that ends the turn but did not send it; all others were captured.
    public static let endTokenMissing = ProblemCode(rawValue: "end_token_missing")
    /// A log-probability was null, NaN or infinite.
    public static let logprobMissing = ProblemCode(rawValue: "logprob_missing")
    /// A token came with a log-probability or an id, but without its text.
    public static let tokenTextMissing = ProblemCode(rawValue: "token_text_missing")
    /// An id was not a natural number below 2^63; the record holds null.
    public static let tokenIDInvalid = ProblemCode(rawValue: "token_id_invalid")
    /// A log-probability was greater than 0; the record holds null.
    public static let logprobInvalid = ProblemCode(rawValue: "logprob_invalid")
    /// A log-probability was -9999 or less, which engines write for unknown values; the record holds null.
    public static let logprobFiller = ProblemCode(rawValue: "logprob_filler")
    /// Every log-probability was 0, which engines write if they do not compute them.
    public static let logprobsAllZero = ProblemCode(rawValue: "logprobs_all_zero")
    /// An event with tokens came twice; unless events are numbered, the record holds its tokens twice.
    public static let duplicateEvent = ProblemCode(rawValue: "duplicate_event")
    /// Tool calls or reasoning were streamed, but only the tokens of the visible text were sent.
    public static let hiddenTokensMissing = ProblemCode(rawValue: "hidden_tokens_missing")
    /// The prompt was echoed, and its tokens cannot be told from those of the completion.
    public static let echoNotSeparated = ProblemCode(rawValue: "echo_not_separated")

    /// The texts of the tokens, or of the deltas, are not the text of the reply.
    public static let tokenTextMismatch = ProblemCode(rawValue: "token_text_mismatch")

    // MARK: The reply

    /// A number was NaN or infinite; the record holds null.
    public static let nonFiniteNumber = ProblemCode(rawValue: "non_finite_number")
    /// A text was not UTF-8; the record holds U+FFFD for each invalid part.
    public static let invalidUTF8 = ProblemCode(rawValue: "invalid_utf8")
    /// The stream ended without its terminal event.
    public static let streamNotTerminated = ProblemCode(rawValue: "stream_not_terminated")
    /// The reply ended as its API requires, but a choice has no finish reason.
    public static let finishReasonMissing = ProblemCode(rawValue: "finish_reason_missing")
    /// The reply has fewer choices than were requested, or no content.
    public static let choicesMissing = ProblemCode(rawValue: "choices_missing")
    /// The numbers of a stream's events have a gap, and nothing shows that the lost events brought no output.
    public static let eventMissing = ProblemCode(rawValue: "event_missing")
    /// The reply ended early; the record holds the part that came.
    public static let replyCutOff = ProblemCode(rawValue: "reply_cut_off")
    /// The data of an event were not JSON; the event was forwarded unchanged.
    public static let unparsedEvent = ProblemCode(rawValue: "unparsed_event")
    /// The reply was not JSON; it was forwarded unchanged.
    public static let replyNotJSON = ProblemCode(rawValue: "reply_not_json")
    /// The reply was compressed although the request forbade it; it was forwarded unchanged.
    public static let replyCompressed = ProblemCode(rawValue: "reply_compressed")
    /// The reply was larger than `--max-reply-size`; it was forwarded unchanged.
    public static let replyTooLarge = ProblemCode(rawValue: "reply_too_large")

    /// An object of a stream had more than 1024 fields; the record lacks the others.
    public static let tooManyFields = ProblemCode(rawValue: "too_many_fields")

    // MARK: The session and the trace

    /// The agent sent an unusable session id; the next source of an id was used.
    public static let sessionIDUnusable = ProblemCode(rawValue: "session_id_unusable")
    /// The record could not be written when its turn ended: the agent got an error, or its reply was cut off.
    public static let traceWriteFailed = ProblemCode(rawValue: "trace_write_failed")

    /// All codes that this version writes.
    public static let all: [ProblemCode] = [
        .logprobsRefused, .tokenIDsRefused, .topLogprobsLowered, .repeatedAfterError,
        .noTokenData, .noLogprobs, .belowRequirement, .idsLogprobsMismatch, .tokenIDsIncomplete, .tokenCountMismatch,
        .tokenCountUnknown, .endTokenMissing, .tokenTextMissing, .tokenIDInvalid, .logprobInvalid, .logprobMissing,
        .logprobFiller, .logprobsAllZero, .duplicateEvent,
        .hiddenTokensMissing, .echoNotSeparated, .tokenTextMismatch,
        .nonFiniteNumber, .invalidUTF8, .streamNotTerminated, .finishReasonMissing, .choicesMissing, .eventMissing,
        .replyCutOff,
        .unparsedEvent, .replyNotJSON, .replyCompressed, .replyTooLarge,
        .tooManyFields,
        .sessionIDUnusable, .traceWriteFailed,
    ]

    /// Whether this version writes the code.
    public var isKnown: Bool { Self.all.contains(self) }
}

extension ProblemCode: CustomStringConvertible {
    public var description: String { rawValue }
}
