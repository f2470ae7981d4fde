import VerbatimJSON
import VerbatimPlatform

extension TraceFile {
    /// Longer tails are not parsed.
    private static var maximumTailLength: Int { LineBuffer.maximumLineLength }

    /// Repairs the end of the file after a crash, so that it ends with a line break.
    ///
    /// If only the line break of the last record is missing, it is added. An unfinished record is moved to a new file
    /// next to the trace, with `.torn-1`, `.torn-2`, … appended to the name.
    mutating func repairTail(log: (TraceEvent) -> Void) throws(SystemError) {
        let size = try file.status().size
        let start = try lastLineEnd(in: size)
        guard start < size else { return end = size }
        if try isRecord(start..<size) {
            try append([UInt8(ascii: "\n")], sync: true)
            log(.lineBreakAdded(path: path))
        } else {
            let copy = try setAside(start..<size)
            do throws(SystemError) {
                try truncate(to: start)
            } catch {
                // The repair will be tried again and would copy the bytes again.
                FilePath.removeFile(at: copy)
                throw error
            }
            end = start
            log(.tornTailSetAside(path: copy, bytes: size - start))
        }
    }

    /// The offset after the last line break within the first `size` bytes; 0 if there is none.
    private borrowing func lastLineEnd(in size: Int) throws(SystemError) -> Int {
        var end = size
        while end > 0 {
            let start = max(0, end - LineBuffer.chunkSize)
            let chunk = try bytes(start..<end)
            if let index = chunk.lastIndex(of: UInt8(ascii: "\n")) { return start + index + 1 }
            end = start
        }
        return 0
    }

    private borrowing func isRecord(_ range: Range<Int>) throws(SystemError) -> Bool {
        guard range.count <= Self.maximumTailLength else { return false }
        // Cheap check first: a torn record rarely ends with a brace.
        guard try bytes(range.upperBound - 1..<range.upperBound) == [UInt8(ascii: "}")] else { return false }
        let tail = try bytes(range)
        do throws(JSONError) {
            return try JSONObject(document: tail.span, options: .trace) != nil
        } catch {
            return false
        }
    }

    /// Copies the bytes to a new file. Returns its path.
    private borrowing func setAside(_ range: Range<Int>) throws(SystemError) -> String {
        var number = 1
        while true {
            let path = "\(path).torn-\(number)"
            do throws(SystemError) {
                let copy = try OpenFile(path, for: .creating)
                try self.copy(
                    range,
                    to: TraceFile(copy, path: path, system: system)
                )
                return path
            } catch .exists {
                number += 1
            }
        }
    }

    private borrowing func copy(_ range: Range<Int>, to copy: consuming TraceFile) throws(SystemError) {
        do throws(SystemError) {
            var offset = range.lowerBound
            while offset < range.upperBound {
                let end = min(offset + LineBuffer.chunkSize, range.upperBound)
                try copy.append(try bytes(offset..<end), sync: end == range.upperBound)
                offset = end
            }
        } catch {
            FilePath.removeFile(at: copy.path)
            throw error
        }
    }

    private borrowing func bytes(_ range: Range<Int>) throws(SystemError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < range.count {
            let offset = range.lowerBound + bytes.count
            guard try file.read(upTo: range.upperBound - offset, at: offset, into: &bytes) > 0 else { break }
        }
        return bytes
    }
}
