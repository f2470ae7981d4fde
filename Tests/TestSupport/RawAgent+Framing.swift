import VerbatimPlatform
import VerbatimTesting

// Taking bytes out of what has arrived, and following the framing of a body. One task reads at a time.

extension RawAgent {
    /// Takes `count` bytes, or fewer if the connection ends first.
    func takeBytes(_ count: Int) async throws -> (bytes: [UInt8], isWhole: Bool) {
        await state.wait { $0.available.count >= count || $0.end != nil }
        try Task.checkCancellation()
        let bytes = state.update { $0.take(min(count, $0.available.count)) }
        return (bytes, bytes.count == count)
    }

    /// Takes the bytes up to and including `marker`, or none if the connection ends first.
    func takeThrough(_ marker: [UInt8]) async throws -> [UInt8]? {
        var scanned = 0
        while true {
            let (bytes, count, hasEnded) = state.update { state -> ([UInt8]?, Int, Bool) in
                let found = state.buffer.firstOffset(of: marker, from: state.consumed + scanned)
                let bytes = found.map { state.take($0 + marker.count - state.consumed) }
                return (bytes, state.available.count, state.end != nil)
            }
            if bytes != nil || hasEnded { return bytes }
            scanned = max(0, count - marker.count + 1)
            await state.wait { $0.available.count > count || $0.end != nil }
            try Task.checkCancellation()
        }
    }

    /// Takes everything that arrives until the connection ends.
    func takeToEnd() async throws -> (bytes: [UInt8], end: CloseKind) {
        await state.wait { $0.end != nil }
        try Task.checkCancellation()
        return state.update { ($0.take($0.available.count), $0.end ?? .eof) }
    }

    /// Reads chunks up to the last one and its trailers. Returns false if the connection ended first.
    func readChunks(into response: inout RawResponse) async throws -> Bool {
        while true {
            guard let line = try await takeLine() else { return false }
            let digits = line.prefix { $0 != ";" && $0 != " " }
            guard digits.allSatisfy(\.isHexDigit), let size = Int(digits, radix: 16) else {
                throw RawAgentError.malformed("chunk size \(line)")
            }
            if size == 0 { break }
            let (chunk, isWhole) = try await takeBytes(size)
            response.body += chunk
            response.chunks.append(chunk)
            guard isWhole, let rest = try await takeLine() else { return false }
            guard rest.isEmpty else { throw RawAgentError.malformed("bytes after the end of a chunk") }
        }
        while let line = try await takeLine() {
            if line.isEmpty { return true }
            response.trailers.append(try RawResponse.field(line))
        }
        return false
    }

    private func takeLine() async throws -> String? {
        try await takeThrough([13, 10]).map { String(decoding: $0.dropLast(2), as: UTF8.self) }
    }
}

extension RawAgent.State {
    /// Takes the next `count` bytes, which must have arrived.
    mutating func take(_ count: Int) -> [UInt8] {
        let bytes = Array(available.prefix(count))
        consumed += bytes.count
        if consumed > buffer.count / 2 {
            buffer.removeFirst(consumed)
            consumed = 0
        }
        return bytes
    }
}
