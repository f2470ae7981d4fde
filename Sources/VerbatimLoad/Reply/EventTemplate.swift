import NIOCore

/// The bytes that all events of a kind share, with a few fields of fixed width that differ.
struct EventTemplate {
    /// Placeholders in a template's text.
    enum Mark {
        /// The number of the request, in eight hexadecimal digits.
        static let request = "\u{1}"
        /// When the event was sent: microseconds of the system's monotonic clock, in fifteen digits.
        static let time = "\u{2}"
        /// The event's number, in six digits.
        static let number = "\u{3}"
        /// The digits of the number as a list of byte values.
        static let numberBytes = "\u{4}"
    }

    private enum Kind {
        case request, time, number, numberBytes

        var width: Int {
            switch self {
            case .request: 8
            case .time: 15
            case .number: 6
            case .numberBytes: 17
            }
        }
    }

    private let bytes: ByteBuffer
    private let places: [(kind: Kind, offset: Int)]
    /// The offset of the time, whose bytes the receiver cannot know in advance.
    let timeRange: Range<Int>?

    var length: Int { bytes.readableBytes }

    init(_ text: String) {
        var bytes = ByteBuffer()
        var places: [(kind: Kind, offset: Int)] = []
        for byte in text.utf8 {
            let kind: Kind? =
                switch byte {
                case 1: .request
                case 2: .time
                case 3: .number
                case 4: .numberBytes
                default: nil
                }
            guard let kind else {
                bytes.writeInteger(byte)
                continue
            }
            places.append((kind, bytes.writerIndex))
            bytes.writeRepeatingByte(kind == .numberBytes ? UInt8(ascii: ",") : UInt8(ascii: "0"), count: kind.width)
        }
        self.bytes = bytes
        self.places = places
        timeRange = places.first { $0.kind == .time }.map { $0.offset..<$0.offset + $0.kind.width }
    }

    /// The template framed as a chunk.
    init(chunk text: String) {
        self.init(String(EventTemplate(text).length, radix: 16) + "\r\n" + text + "\r\n")
    }

    func write(into buffer: inout ByteBuffer, request: UInt32, number: Int, time: UInt64) {
        let length = buffer.writeImmutableBuffer(bytes)
        // Through a pointer, since this runs for every event at both ends, in debug builds too.
        buffer.withUnsafeMutableReadableBytes { written in
            let event = UnsafeMutableRawBufferPointer(rebasing: written[(written.count - length)...])
            for (kind, offset) in places {
                switch kind {
                case .request: Self.write(UInt64(request), base: 16, digits: 8, at: offset, into: event)
                case .time: Self.write(time, base: 10, digits: 15, at: offset, into: event)
                case .number: Self.write(UInt64(number), base: 10, digits: 6, at: offset, into: event)
                case .numberBytes:
                    var rest = number
                    for digit in (0..<6).reversed() {
                        let code = 48 + rest % 10
                        event[offset + digit * 3] = UInt8(48 + code / 10)
                        event[offset + digit * 3 + 1] = UInt8(48 + code % 10)
                        rest /= 10
                    }
                }
            }
        }
    }

    private static func write(
        _ value: UInt64, base: UInt64, digits: Int, at offset: Int, into event: UnsafeMutableRawBufferPointer
    ) {
        var rest = value
        var place = offset + digits
        while place > offset {
            place -= 1
            let digit = UInt8(rest % base)
            event[place] = digit < 10 ? 48 + digit : 87 + digit
            rest /= base
        }
    }
}
