import VerbatimJSON

/// What ends the stream of a response at any point: open texts, parts and items are closed, and the response is
/// incomplete because of `max_output_tokens`.
///
/// Items have the indices, and events the numbers, that the engine gives them; llama.cpp gives none.
struct ResponsesEnding {
    private let reply: ResponsesReply
    private let usage: EndingUsage
    private let number: Int?

    /// - Parameter number: The number of the next event; nil if events have none.
    init(of reply: ResponsesReply, number: Int?, usage: EndingUsage) {
        self.reply = reply
        self.number = number
        self.usage = usage
    }

    var ending: StreamEnding {
        guard reply.hasBegun else { return .notBegun }
        var events = NumberedEvents(number: number)
        var output = JSONList()
        for item in reply.items.ordered {
            let closing = ResponseItemEnding(of: item)
            if !item.isDone { closing.add(to: &events) }
            output.append(closing.json)
        }
        var response = reply.lastResponse ?? Array(#"{"object":"response"}"#.utf8)
        response.set([
            ("status", Array(#""incomplete""#.utf8)),
            ("incomplete_details", Array(#"{"reason":"max_output_tokens"}"#.utf8)), ("output", output.array),
            ("usage", usageJSON),
        ])
        events.add("response.incomplete") { json in
            json.key("response")
            json.raw(response)
        }
        return .events(events.events)
    }

    private var usageJSON: [UInt8] {
        JSONWriter.bytes { json in
            json.object { json in
                json.member("input_tokens", usage.promptTokens)
                json.object("input_tokens_details") { $0.member("cached_tokens", 0) }
                json.member("output_tokens", usage.completionTokens)
                json.object("output_tokens_details") { $0.member("reasoning_tokens", 0) }
                json.member("total_tokens", usage.totalTokens)
            }
        }
    }
}

/// Events of a response, which are numbered where the engine numbers its own.
struct NumberedEvents {
    private var list = EventList()
    private var number: Int?

    init(number: Int?) { self.number = number }

    var events: [[UInt8]] { list.events }

    mutating func add(_ type: StaticString, _ write: (inout JSONWriter) -> Void) {
        list.add(named: type) { json in
            if let number { json.member("sequence_number", number) }
            write(&json)
        }
        number = number.map { $0 + 1 }
    }
}
