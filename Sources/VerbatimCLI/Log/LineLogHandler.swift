import Logging
import Synchronization
import Verbatim
import VerbatimPlatform

/// Writes a line for each message: time, level, message, and the metadata sorted by key.
struct LineLogHandler: LogHandler {
    let writer: LogWriter
    var logLevel = Setting.defaultLogLevel
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: Logging.LogEvent) {
        writer.write(line(for: event), isUrgent: event.level >= .warning)
    }

    /// Built as bytes, for speed: there is a line for each turn.
    func line(for event: Logging.LogEvent) -> [UInt8] {
        var fields = event.metadata ?? [:]
        if !metadata.isEmpty { fields.merge(metadata) { event, _ in event } }
        var line: [UInt8] = []
        line.reserveCapacity(384)
        line += Self.timestamp()
        line.append(UInt8(ascii: " "))
        line += event.level.rawValue.utf8
        line.append(UInt8(ascii: " "))
        line += "\(event.message)".utf8
        for key in fields.keys.sorted() {
            line.append(UInt8(ascii: " "))
            line += key.utf8
            line.append(UInt8(ascii: "="))
            switch fields[key] {
            case .string(let text): Self.append(text, to: &line)
            case let value?: Self.append("\(value)", to: &line)
            case nil: break
            }
        }
        line.append(UInt8(ascii: "\n"))
        return line
    }

    /// Quotes a value that could end the line, look like another field, or control the terminal.
    private static func append(_ value: String, to line: inout [UInt8]) {
        if value.isEmpty { return line.append(UInt8(ascii: "-")) }
        if value.utf8.count > Self.longestValue {
            return line += (String(value.unicodeScalars.prefix(Self.longestValue)) + "…").quoted.utf8
        }
        let isPlain = value.utf8.allSatisfy {
            $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=") && $0 < 0x7F
        }
        line += (isPlain || value.isPlain ? value : value.quoted).utf8
    }

    /// A model's name comes from the agent and may have any length.
    private static let longestValue = 2_000

    /// `2026-11-22T09:56:00Z`
    private static func timestamp() -> [UInt8] {
        let now = time(nil)
        return latestTimestamp.withLock { latest in
            if latest.second != now { latest = (now, Array(timestamp(of: now).utf8)) }
            return latest.text
        }
    }

    /// Under load many lines share a timestamp.
    private static let latestTimestamp = Mutex((second: time_t(-1), text: [UInt8]()))

    private static func timestamp(of second: time_t) -> String {
        var second = second
        var fields = tm()
        gmtime_r(&second, &fields)
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 32) { text in
            guard let start = text.baseAddress else { return "" }
            strftime(start, 32, "%Y-%m-%dT%H:%M:%SZ", &fields)
            return String(cString: start)
        }
    }
}
