import VerbatimJSON
import VerbatimPlatform
import VerbatimSchema

/// Numbers the turns of each session.
package struct TurnNumbers: Sendable {
    /// No session gets this far. Higher numbers in a file are ignored, so that counting cannot overflow.
    private static let maximumTurn = 1 << 53

    private var lastTurns: [String: Int] = [:]
    /// The turns that have a number and no record yet.
    private(set) var unfinished: [String: Set<Int>] = [:]
    private let maximumSessions: Int
    /// So many of the earliest are named: enough, since those that never end are soon among them.
    private static let maximumNamed = 256

    /// - Parameter maximumSessions: The number of sessions above which no new one gets a number. Sessions found in a
    ///   file count, and always get one.
    init(maximumSessions: Int) {
        self.maximumSessions = maximumSessions
    }

    /// Continues from the last turn of each session in `file`. Lines that are not records are skipped.
    mutating func `continue`(from file: borrowing OpenFile) throws(SystemError) {
        var buffer = LineBuffer()
        while try buffer.fill(from: file) {
            while let line = buffer.nextLine() {
                guard let (session, turn) = Self.identity(of: buffer.bytes.span.extracting(line.range)) else {
                    continue
                }
                lastTurns[session] = max(lastTurns[session] ?? 0, turn)
            }
        }
    }

    /// Continues from the higher last turn of each session.
    mutating func merge(_ other: TurnNumbers) {
        lastTurns.merge(other.lastTurns) { max($0, $1) }
    }

    /// Returns nil for a new session if there are too many.
    mutating func next(inSession id: String) -> Int? {
        let last = lastTurns[id]
        if last == nil, lastTurns.count >= maximumSessions { return nil }
        let turn = (last ?? 0) + 1
        lastTurns[id] = turn
        unfinished[id, default: []].insert(turn)
        return turn
    }

    /// Returns the earlier turns of the session that are unfinished, in order.
    mutating func finish(_ turn: Int, inSession id: String) -> [Int] {
        guard unfinished[id] != nil else { return [] }
        unfinished[id]?.remove(turn)
        guard let others = unfinished[id], !others.isEmpty else {
            unfinished[id] = nil
            return []
        }
        return Array(others.filter { $0 < turn }.sorted().prefix(Self.maximumNamed))
    }

    /// Whether each turn that has a number has its record, too.
    var isIdle: Bool { unfinished.isEmpty }

    /// The sessions that have turns.
    var sessions: [String] { Array(lastTurns.keys) }

    private static func identity(of line: Span<UInt8>) -> (session: String, turn: Int)? {
        // A number in the file was given out, even if the rest of its line is damaged.
        var cursor = JSONCursor(options: .trace.subtracting(.validUTF8))
        var turn: Int?
        var session: String?
        do throws(JSONError) {
            try cursor.enterObject(in: line)
            while let key = try cursor.nextKey(in: line) {
                let value = try cursor.skipValue(in: line)
                if key.equals("turn", in: line) {
                    turn = value.int(in: line)
                } else if key.equals("session_id", in: line) {
                    session = value.string(in: line)
                    // Records of this program have `turn` before it, so that the rest need not be read.
                    if turn != nil, session != nil { break }
                }
            }
        } catch {
            return nil
        }
        guard let turn, 1...maximumTurn ~= turn else { return nil }
        return (session ?? RecordSchema.defaultSession, turn)
    }
}
