package import NIOCore
package import NIOHTTP1

extension ByteBuffer {
    /// Appends a message's start line, its parts separated by spaces, and its header lines, but not the blank line.
    ///
    /// All at once: appending part by part would check the buffer's room and its uniqueness each time.
    package mutating func writeHead(startLine: [String], _ headers: HTTPHeaders) {
        var length = startLine.reduce(1) { $0 + $1.utf8.count + 1 }
        for (name, value) in headers { length += name.utf8.count + value.utf8.count + 4 }
        reserveCapacity(minimumWritableBytes: length + Self.roomBehindHead)
        writeWithUnsafeMutableBytes(minimumWritableBytes: length) { room in
            var lines = Lines(room: room)
            for (index, part) in startLine.enumerated() {
                if index > 0 { lines.put(" ") }
                lines.put(part)
            }
            lines.put("\r\n")
            for (name, value) in headers {
                lines.put(name)
                lines.put(": ")
                lines.put(value)
                lines.put("\r\n")
            }
            return lines.count
        }
    }

    /// Room for what mostly follows: lines about framing, the blank line, the start of a chunk.
    private static let roomBehindHead = 64

    /// Appends the first line of a chunk of `length` bytes.
    package mutating func writeChunkSize(_ length: Int) {
        let digits = max(1, (Int.bitWidth - length.leadingZeroBitCount + 3) / 4)
        writeWithUnsafeMutableBytes(minimumWritableBytes: digits + 2) { bytes in
            for index in 0..<digits {
                let digit = UInt8(truncatingIfNeeded: length >> (4 * (digits - 1 - index)) & 0xF)
                bytes[index] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit
            }
            bytes[digits] = UInt8(ascii: "\r")
            bytes[digits + 1] = UInt8(ascii: "\n")
            return digits + 2
        }
    }

    /// Pieces of at least this length are written as they are. Copying shorter ones costs less than a write of their
    /// own.
    package static let copiedLength = 16 << 10

    private struct Lines {
        let room: UnsafeMutableRawBufferPointer
        private(set) var count = 0

        init(room: UnsafeMutableRawBufferPointer) { self.room = room }

        mutating func put(_ text: String) {
            var text = text
            text.withUTF8 { put(UnsafeRawBufferPointer($0)) }
        }

        mutating func put(_ text: StaticString) {
            text.withUTF8Buffer { put(UnsafeRawBufferPointer($0)) }
        }

        private mutating func put(_ bytes: UnsafeRawBufferPointer) {
            // Slices are bounds-checked in debug builds only.
            precondition(bytes.count <= room.count - count, "a head is longer than was counted")
            UnsafeMutableRawBufferPointer(rebasing: room[count..<count + bytes.count]).copyMemory(from: bytes)
            count += bytes.count
        }
    }
}
