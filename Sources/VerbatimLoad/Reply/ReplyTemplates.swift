import NIOCore

/// Chat completions in vLLM's format, of which every byte but the time is known in advance.
///
/// Token `n` of a reply has the text ` 00000n`, the id 1000000 + n and the log-probability -1.00000n. Each token thus
/// shows its position, and every event names its request.
struct ReplyTemplates {
    struct Key: Hashable {
        var eventBytes: Int
        var hasLogprobs: Bool
        var hasTokenIDs: Bool

        init(_ spec: TurnSpec) {
            eventBytes = spec.eventBytes
            hasLogprobs = spec.hasLogprobs
            hasTokenIDs = spec.hasTokenIDs
        }
    }

    let role: EventTemplate
    let token: EventTemplate
    let lastToken: EventTemplate
    /// The parts of one token of a whole reply: its text, its log-probability entry, its id.
    let text = EventTemplate(" \(EventTemplate.Mark.number)")
    let entry: EventTemplate
    let id = EventTemplate("1\(EventTemplate.Mark.number)")

    private static let head =
        #"{"id":"chatcmpl-\#(EventTemplate.Mark.request)","object":"chat.completion.chunk","#
        + #""created":1\#(EventTemplate.Mark.time),"model":"load","choices":["#
    private static let promptIDs = "[2021,1626,198]"

    /// - Parameter isChunked: Whether an event is framed as a chunk, as the engine sends it.
    init(_ key: Key, isChunked: Bool) {
        let role =
            Self.head + #"{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"#
            + #""prompt_token_ids":\#(key.hasTokenIDs ? Self.promptIDs : "null"),"prompt_text":null}"#
        let bare = Self.token(
            entry: key.hasLogprobs ? Self.entry(padding: 0) : nil, ids: key.hasTokenIDs, isLast: false)
        let padding = key.hasLogprobs ? max(0, key.eventBytes - EventTemplate(Self.event(bare)).length) : 0
        let entry = Self.entry(padding: padding)
        self.entry = EventTemplate(entry)
        func template(_ text: String) -> EventTemplate {
            isChunked ? EventTemplate(chunk: Self.event(text)) : EventTemplate(Self.event(text))
        }
        func token(isLast: Bool) -> EventTemplate {
            template(Self.token(entry: key.hasLogprobs ? entry : nil, ids: key.hasTokenIDs, isLast: isLast))
        }
        self.role = template(role)
        self.token = token(isLast: false)
        lastToken = token(isLast: true)
    }

    private static func event(_ data: String) -> String { "data: \(data)\n\n" }

    private static func token(entry: String?, ids: Bool, isLast: Bool) -> String {
        head + #"{"index":0,"delta":{"content":" \#(EventTemplate.Mark.number)"},"#
            + #""logprobs":\#(entry.map { #"{"content":[\#($0)]}"# } ?? "null"),"#
            + (isLast ? #""finish_reason":"length","stop_reason":null,"# : #""finish_reason":null,"#)
            + #""token_ids":\#(ids ? "[1\(EventTemplate.Mark.number)]" : "null")}]}"#
    }

    private static func entry(padding: Int) -> String {
        let own =
            #""token":" \#(EventTemplate.Mark.number)","logprob":-1.\#(EventTemplate.Mark.number),"#
            + #""bytes":[32,\#(EventTemplate.Mark.numberBytes)]"#
        return #"{\#(own),"top_logprobs":[{\#(own)},"#
            + #"{"token":" socket","logprob":-5.70087194442749,"bytes":[32,115,111,99,107,101,116]},"#
            + #"{"token":" num","logprob":-5.70087194442749,"bytes":[32,110,117,109]},"#
            + #"{"token":"arn","logprob":-5.73212194442749,"bytes":[97,114,110]},"#
            + #"{"token":"\#(String(repeating: "f", count: padding))","logprob":-5.95868444442749,"bytes":[102]}]}"#
    }

    /// The event after the last token.
    static func usage(of spec: TurnSpec) -> EventTemplate { EventTemplate(usageEvent(of: spec)) }
    static func chunkedUsage(of spec: TurnSpec) -> EventTemplate { EventTemplate(chunk: usageEvent(of: spec)) }

    static let done = EventTemplate("data: [DONE]\n\n")
    static let chunkedDone = EventTemplate(chunk: "data: [DONE]\n\n")

    private static func usageEvent(of spec: TurnSpec) -> String {
        event("\(head)],\(usageField(of: spec)),\(fingerprint)}")
    }

    private static let fingerprint = #""system_fingerprint":"vllm-0.32.0-6ab2b866""#

    private static func usageField(of spec: TurnSpec) -> String {
        #""usage":{"prompt_tokens":3,"total_tokens":\#(3 + spec.events),"completion_tokens":\#(spec.events)}"#
    }

    /// A whole reply.
    func unary(_ spec: TurnSpec, into buffer: inout ByteBuffer) {
        func list(_ template: EventTemplate, separator: String) {
            for number in 1...max(1, spec.events) {
                if number > 1 { buffer.writeString(separator) }
                template.write(into: &buffer, request: spec.id, number: number, time: 0)
            }
        }
        EventTemplate(
            #"{"id":"chatcmpl-\#(EventTemplate.Mark.request)","object":"chat.completion","created":1795334100,"#
                + #""model":"load","choices":[{"index":0,"message":{"role":"assistant","content":""#
        ).write(into: &buffer, request: spec.id, number: 0, time: 0)
        list(text, separator: "")
        buffer.writeString(#"","refusal":null,"reasoning":null},"logprobs":"#)
        if spec.hasLogprobs {
            buffer.writeString(#"{"content":["#)
            list(entry, separator: ",")
            buffer.writeString("]}")
        } else {
            buffer.writeString("null")
        }
        buffer.writeString(#","finish_reason":"length","stop_reason":null,"token_ids":"#)
        if spec.hasTokenIDs {
            buffer.writeString("[")
            list(id, separator: ",")
            buffer.writeString("]")
        } else {
            buffer.writeString("null")
        }
        buffer.writeString(
            #"}],\#(Self.fingerprint),\#(Self.usageField(of: spec)),"prompt_logprobs":null,"#
                + #""prompt_token_ids":\#(spec.hasTokenIDs ? Self.promptIDs : "null"),"prompt_text":null}"#)
    }

    /// The body of an error.
    static func error(_ spec: TurnSpec, status: Int) -> String {
        #"{"error":{"message":"wanted by load \#(spec.id)","type":"LoadError","param":null,"code":\#(status)}}"#
    }
}
