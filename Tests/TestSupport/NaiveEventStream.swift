/// One event, as an event stream reader sees it.
package struct ReadEvent: Hashable {
    package let name: String
    package let data: String

    package init(name: String, data: String) {
        self.name = name
        self.data = data
    }
}

/// A simple reader of complete event streams, after WHATWG HTML ("Server-sent events", 9.2.6).
///
/// It shares nothing with the code under test. An unfinished event at the end of the stream is dropped.
package enum NaiveEventStream {
    /// The events with data, in order.
    package static func events(in stream: [UInt8]) -> [ReadEvent] {
        var events: [ReadEvent] = []
        var name = ""
        var data: [String]?
        for line in lines(of: stream) {
            let text = String(decoding: line, as: UTF8.self)
            if text.isEmpty {
                if let data {
                    events.append(ReadEvent(name: name.isEmpty ? "message" : name, data: data.joined(separator: "\n")))
                }
                name = ""
                data = nil
                continue
            }
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            var value = parts.count == 2 ? parts[1] : ""
            if value.first == " " { value.removeFirst() }
            switch parts[0] {
            case "event": name = String(value)
            case "data": data = (data ?? []) + [String(value)]
            default: break
            }
        }
        return events
    }

    /// Where the units of a stream end: after each blank line, after each comment between events, and
    /// after the byte order mark.
    package static func boundaries(in stream: [UInt8]) -> [Int] {
        var boundaries: [Int] = []
        var position = 0
        if stream.starts(with: [0xEF, 0xBB, 0xBF]) {
            position = 3
            boundaries.append(3)
        }
        var isInEvent = false
        for line in lines(of: stream) {
            position += line.count
            position += stream[position...].starts(with: [0x0D, 0x0A]) ? 2 : 1
            let isComment = line.first == UInt8(ascii: ":")
            if line.isEmpty || (isComment && !isInEvent) {
                boundaries.append(position)
                isInEvent = false
            } else {
                isInEvent = true
            }
        }
        return boundaries
    }

    /// The terminated lines, without their terminators and without a byte order mark before them.
    private static func lines(of stream: [UInt8]) -> [[UInt8]] {
        var lines: [[UInt8]] = [[]]
        var rest = stream[...]
        if rest.starts(with: [0xEF, 0xBB, 0xBF]) { rest = rest.dropFirst(3) }
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\n"): lines.append([])
            case UInt8(ascii: "\r"):
                lines.append([])
                if rest.first == UInt8(ascii: "\n") { rest.removeFirst() }
            default: lines[lines.count - 1].append(byte)
            }
        }
        return lines.dropLast()
    }
}
