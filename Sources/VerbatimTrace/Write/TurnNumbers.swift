import VerbatimJSON
import VerbatimPlatform

/// Numbers the turns of each session.
package struct TurnNumbers: Sendable {
    /// The session of a record that names none.
    package static let defaultSession = "default"

    /// No session gets there; what claims to be further is passed over, so that counting on cannot overflow.
    private static let maximumTurn = 1 << 53

    private var lastTurns: [String: Int] = [:]
    private let maximumSessions: Int

    /// - Parameter maximumSessions: How many sessions can have been begun; those in a file count, but are always known.
    init(maximumSessions: Int) {
        self.maximumSessions = maximumSessions
    }

    /// Goes on from the last turn of each session in `file`. Lines that are no records are passed over.
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

    /// Goes on from the later last turn of each session.
    mutating func merge(_ other: TurnNumbers) {
        lastTurns.merge(other.lastTurns) { max($0, $1) }
    }

    /// `nil` for a new session if there are too many already.
    mutating func next(inSession id: String) -> Int? {
        let last = lastTurns[id]
        if last == nil, lastTurns.count >= maximumSessions { return nil }
        let turn = (last ?? 0) + 1
        lastTurns[id] = turn
        return turn
    }

    private static func identity(of line: Span<UInt8>) -> (session: String, turn: Int)? {
        // A number that was given is taken, whatever the rest of the line has become.
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
                    // It stands behind the turn in our own records: the rest need not be read.
                    if turn != nil, session != nil { break }
                }
            }
        } catch {
            return nil
        }
        guard let turn, 1...maximumTurn ~= turn else { return nil }
        return (session ?? defaultSession, turn)
    }
}
