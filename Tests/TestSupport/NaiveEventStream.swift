/// One event, as an event stream reader sees it.
package struct ReadEvent: Hashable {
    package let name: String
    package let data: String

    package init(name: String, data: String) {
        self.name = name
        self.data = data
    }
}

/// A simple reader of complete event streams, after WHATWG HTML ("Server-sent events").
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
            position += stream[position] == 0x0D && stream.dropFirst(position + 1).first == 0x0A ? 2 : 1
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
        var lines: [[UInt8]] = []
        var start = stream.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        while let end = firstLineBreak(in: stream, from: start) {
            lines.append(Array(stream[start..<end]))
            let isPair = stream[end] == 0x0D && end + 1 < stream.count && stream[end + 1] == 0x0A
            start = end + (isPair ? 2 : 1)
        }
        return lines
    }

    private static func firstLineBreak(in stream: [UInt8], from start: Int) -> Int? {
        // On a pointer, since without optimization this loop would be slow on an array.
        stream.withUnsafeBufferPointer { stream in
            guard let bytes = stream.baseAddress else { return nil }
            var index = start
            while index < stream.count {
                let byte = bytes[index]
                if byte == 0x0A || byte == 0x0D { return index }
                index += 1
            }
            return nil
        }
    }
}
