import NIOCore
import VerbatimPlatform

/// What a request asks of the scripted engine, in its `load` field.
struct TurnSpec: Equatable {
    enum Fault: String, CaseIterable {
        case error500 = "error_500"
        case error429 = "error_429"
        /// TCP reset, regular close, or silence until the peer leaves, each after `at` tokens of a stream.
        case resetAt = "reset_at"
        case closeAt = "close_at"
        case stallAt = "stall_at"
        /// Only half of a whole reply is sent.
        case truncate
    }

    /// The number of the request, which every event of the reply repeats.
    var id: UInt32
    var isStream = true
    /// The number of tokens, each in an event of its own.
    var events = 1
    /// The time between two events; 0 sends as fast as the peer reads.
    var interval = 0
    /// The size of an event with log-probabilities, in bytes.
    var eventBytes = 780
    var fault: Fault?
    var at = 0
    /// Whether the request itself asks for log-probabilities with five alternatives and for token ids.
    var hasLogprobs = false
    var hasTokenIDs = false

    /// The request's body.
    func body(prompt: String) -> String {
        let fault = fault.map { #","fault":"\#($0.rawValue)","at":\#(at)"# } ?? ""
        return #"{"model":"load","messages":[{"role":"user","content":"\#(prompt)"}],"max_tokens":\#(events)"#
            + (hasLogprobs ? #","logprobs":true,"top_logprobs":5"# : "")
            + (hasTokenIDs ? #","return_token_ids":true"# : "")
            + (isStream ? #","stream":true,"stream_options":{"include_usage":true}"# : "")
            + #","load":{"id":\#(id),"events":\#(events),"interval":\#(interval),"bytes":\#(eventBytes)\#(fault)}}"#
    }

    init(id: UInt32) { self.id = id }

    /// Reads a request as ``body(prompt:)`` writes it, with additions of the proxy; `nil` for any other request.
    ///
    /// Searching suffices for a text that this tool has made, and is cheap.
    init?(body: ByteBuffer) {
        let load = #""load":{"#
        guard let start = body.offset(of: load), let id = body.integer(behind: #""id":"#, from: start),
            let id = UInt32(exactly: id), let events = body.integer(behind: #""events":"#, from: start)
        else { return nil }
        self.id = id
        self.events = events
        interval = body.integer(behind: #""interval":"#, from: start) ?? 0
        eventBytes = body.integer(behind: #""bytes":"#, from: start) ?? 780
        at = body.integer(behind: #""at":"#, from: start) ?? 0
        if let place = body.offset(of: #""fault":""#, from: start) {
            let text = body.getSlice(at: place, length: body.writerIndex - place)
            fault = text.flatMap { text in
                text.readableBytesView.firstIndex(of: UInt8(ascii: "\"")).flatMap {
                    text.getString(at: text.readerIndex, length: $0 - text.readerIndex)
                }
            }.flatMap(Fault.init)
        }
        isStream = body.offset(of: #""stream":true"#) != nil
        hasLogprobs = body.offset(of: #""logprobs":true"#) != nil
        hasTokenIDs = body.offset(of: #""return_token_ids":true"#) != nil
    }
}

extension ByteBuffer {
    /// The offset after `text`, if it occurs.
    fileprivate func offset(of text: String, from start: Int? = nil) -> Int? {
        var text = text
        let start = (start ?? readerIndex) - readerIndex
        return text.withUTF8 { needle in
            withUnsafeReadableBytes { $0.firstOffset(of: UnsafeRawBufferPointer(needle), from: start) }
                .map { readerIndex + $0 + needle.count }
        }
    }

    fileprivate func integer(behind text: String, from start: Int) -> Int? {
        guard var place = offset(of: text, from: start) else { return nil }
        var value: Int?
        while let digit: UInt8 = getInteger(at: place), 48...57 ~= digit, value ?? 0 < 1 << 40 {
            value = (value ?? 0) * 10 + Int(digit - 48)
            place += 1
        }
        return value
    }
}
