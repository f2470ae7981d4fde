import VerbatimJSON
import VerbatimPlatform
import VerbatimSessions
import VerbatimTrace

/// Lines of a rollout's trace, as they are in it.
struct TurnsPage: Sendable {
    /// Most bytes of a page, but for its last line.
    private static let maximumSize = 16 << 20

    /// Whole lines.
    private(set) var lines: [UInt8] = []
    /// The offset behind the last line that was looked at.
    private(set) var next: Int

    init(of query: TurnsQuery, in path: String) throws(SessionsError) {
        next = query.after
        do throws(SystemError) {
            let file = try OpenFile(path, for: .reading)
            var buffer = LineBuffer(at: query.after)
            var count = 0
            while count < query.limit, lines.count < Self.maximumSize {
                guard let line = buffer.nextLine() else {
                    if try buffer.fill(from: file) { continue }
                    return
                }
                next = buffer.tail.offset
                let text = buffer.bytes.span.extracting(line.range)
                guard !line.range.isEmpty, Self.isOf(query.session, text) else { continue }
                lines.append(contentsOf: buffer.bytes[line.range])
                lines.append(UInt8(ascii: "\n"))
                count += 1
            }
        } catch .doesNotExist {
            return
        } catch {
            throw .storage("cannot read the turns: \(error)")
        }
    }

    private static func isOf(_ session: String?, _ line: Span<UInt8>) -> Bool {
        guard let session else { return true }
        let object = try? JSONObject(document: line, options: .trace)
        return object?.value("session_id", in: line)?.string(in: line) == session
    }
}
