import VerbatimJSON

/// What ends the stream of a message at any point: open blocks are closed, and the message ends with `max_tokens`.
struct MessagesEnding {
    private let reply: MessagesReply
    private let usage: EndingUsage

    init(of reply: MessagesReply, usage: EndingUsage) {
        self.reply = reply
        self.usage = usage
    }

    var ending: StreamEnding {
        if !reply.hasBegun { return .notBegun }
        var list = EventList()
        for block in reply.blocks where !block.hasStopped {
            list.add(named: "content_block_stop") { $0.member("index", block.index) }
        }
        if reply.envelope.value("stop_reason") == nil {
            list.add(named: "message_delta") { json in
                json.object("delta") { json in
                    json.member("stop_reason", "max_tokens")
                    json.member("stop_sequence", String?.none)
                }
                json.object("usage") { $0.member("output_tokens", usage.completionTokens) }
            }
        }
        list.add(named: "message_stop") { _ in }
        return .events(list.events)
    }
}
