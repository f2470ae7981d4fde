import VerbatimJSON
import VerbatimPlatform
import VerbatimSchema
package import VerbatimTrace

extension TurnUse {
    /// What a turn of a trace has used.
    package init(_ turn: Turn) {
        let tokens = turn.tokenUse
        self.init(
            session: turn.sessionID, parent: turn.parentSessionID, turn: turn.number, outcome: turn.outcome.rawValue,
            problems: turn.captureProblems.map(\.rawValue),
            promptTokens: tokens.prompt.tokens, completionTokens: tokens.completion.tokens,
            isEstimated: tokens.isEstimated, started: turn.timestamp)
    }
}

/// What the store needs of a rollout's trace.
struct RolloutTrace {
    let path: String

    var exists: Bool { OpenFile.status(at: path) != nil }

    /// Reads what the turns have used. Lines that are no records are skipped.
    func use() throws(SessionsError) -> RolloutUse {
        var use = RolloutUse()
        do throws(SystemError) {
            let file = try OpenFile(path, for: .reading)
            var buffer = LineBuffer()
            while try buffer.fill(from: file) {
                while let line = buffer.nextLine() {
                    if let turn = try? Turn(json: Array(buffer.bytes[line.range])) { use.add(TurnUse(turn)) }
                }
            }
        } catch .doesNotExist {
            return use
        } catch {
            throw .storage("cannot read '\(path)': \(error)")
        }
        return use
    }

    /// Its length and its SHA-256.
    func digest() throws(SessionsError) -> (bytes: Int, sha256: String) {
        var hash = SHA256()
        var length = 0
        do throws(SystemError) {
            let file = try OpenFile(path, for: .reading)
            while true {
                var chunk: [UInt8] = []
                let count = try file.read(upTo: 1 << 20, at: length, into: &chunk)
                if count == 0 { break }
                hash.update(chunk)
                length += count
            }
        } catch .doesNotExist {
            return (0, hash.hexadecimal)
        } catch {
            throw .storage("cannot read '\(path)': \(error)")
        }
        return (length, hash.hexadecimal)
    }
}
