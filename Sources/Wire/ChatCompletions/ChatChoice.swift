import JSONBytes

/// One choice of a chat completion, as far as it has come.
struct ChatChoice: Sendable {
    let index: Int
    var message = ChatMessage()
    var tokens = TokenCapture()
    /// `finish_reason`, `stop_reason` and whatever else the engine says of the choice.
    var fields = FieldBag()

    init(index: Int) { self.index = index }

    /// The choice as a unary reply would have it.
    func json(detail: TraceDetail) -> [UInt8] {
        var object = Array(#"{"index":\#(index),"message":"#.utf8)
        object.append(contentsOf: message.json)
        if detail == .full {
            object.append(contentsOf: #","logprobs":"#.utf8)
            object.append(contentsOf: logprobsJSON)
        }
        if let ids = tokens.idList {
            object.append(contentsOf: #","token_ids":"#.utf8)
            object.append(contentsOf: ids)
        }
        fields.append(to: &object)
        object.append(UInt8(ascii: "}"))
        return object
    }

    private var logprobsJSON: [UInt8] {
        if tokens.content == nil && tokens.refusal == nil { return Array("null".utf8) }
        var object = Array(#"{"content":"#.utf8)
        object.append(contentsOf: tokens.content?.array ?? Array("null".utf8))
        if let refusal = tokens.refusal {
            object.append(contentsOf: #","refusal":"#.utf8)
            object.append(contentsOf: refusal.array)
        }
        object.append(UInt8(ascii: "}"))
        return object
    }
}
