/// Chat requests as agents send them.
enum RequestText {
    /// A short question, about 1 KB.
    static func small(isStream: Bool = true, asksForTokenData: Bool = false) -> [UInt8] {
        body(
            messages: [message("system", prose(420)), message("user", prose(300))],
            more: asksForTokenData ? [#""logprobs":true,"top_logprobs":5,"return_token_ids":true"#] : [],
            isStream: isStream)
    }

    /// A conversation of a coding agent with instructions, tool calls and their results, about 64 KB.
    static let withTools: [UInt8] = {
        var messages = [message("system", prose(6000))]
        for turn in 0..<14 {
            messages.append(message("user", prose(700)))
            messages.append(
                #"{"role":"assistant","content":null,"tool_calls":[{"id":"call_\#(turn)","type":"function","#
                    + #""function":{"name":"tool_\#(turn)","arguments":"#
                    + #""{\"path\": \"Sources/Part\#(turn).swift\", \"line\": \#(turn)}"}}]}"#)
            messages.append(
                #"{"role":"tool","tool_call_id":"call_\#(turn)","content":\#(quoted(prose(2000)))}"#)
        }
        let tools = (0..<14).map { number in
            #"{"type":"function","function":{"name":"tool_\#(number)","description":\#(quoted(prose(400))),"#
                + #""parameters":{"type":"object","properties":{"path":{"type":"string","description":"#
                + #"\#(quoted(prose(80)))},"line":{"type":"integer","minimum":0},"mode":{"type":"string","#
                + #""enum":["read","write","append"]}},"required":["path"],"additionalProperties":false}}}"#
        }
        return body(messages: messages, more: [#""tools":[\#(tools.joined(separator: ","))],"tool_choice":"auto""#])
    }()

    /// A question about three pictures, about 4 MB.
    static let withImages: [UInt8] = {
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        let image = String(repeating: alphabet, count: (4 << 20) / 3 / alphabet.utf8.count)
        let parts = (0..<3).map { _ in
            #"{"type":"image_url","image_url":{"url":"data:image/png;base64,\#(image)","detail":"auto"}}"#
        }
        return body(messages: [
            #"{"role":"user","content":[{"type":"text","text":\#(quoted(prose(300)))},\#(parts.joined(separator: ","))]}"#
        ])
    }()

    private static func body(messages: [String], more: [String] = [], isStream: Bool = true) -> [UInt8] {
        var members = [#""model":"tiny/tiny-1","messages":[\#(messages.joined(separator: ","))]"#]
        members += [#""temperature":0.7,"top_p":0.95,"max_tokens":4096,"seed":7"#] + more
        if isStream { members.append(#""stream":true,"stream_options":{"include_usage":true}"#) }
        return Array("{\(members.joined(separator: ","))}".utf8)
    }

    private static func message(_ role: String, _ content: String) -> String {
        #"{"role":"\#(role)","content":\#(quoted(content))}"#
    }

    /// Text with some characters that JSON escapes, and some beyond ASCII.
    private static func prose(_ length: Int) -> String {
        let sentence = "Read the file, say what \"it\" does — naïvely — and then\nmend what fails in the tests of it. "
        return String(String(repeating: sentence, count: length / sentence.count + 1).prefix(length))
    }

    private static func quoted(_ text: String) -> String {
        "\"" + text.map { $0 == "\"" ? "\\\"" : $0 == "\n" ? "\\n" : String($0) }.joined() + "\""
    }
}
