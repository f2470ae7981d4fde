import Foundation
import TestSupport
import Testing
import VerbatimPlatform

@testable import VerbatimTrace

@Suite struct LineBufferTests {
    private let folder: TemporaryFolder
    private var path: String { folder.path("lines") }

    init() throws { folder = try TemporaryFolder() }

    private func lines(
        of bytes: [UInt8],
        at offset: Int = 0,
        limit: Int = 1 << 30
    ) throws -> (lines: [(LineBuffer.Line, [UInt8])], tail: (offset: Int, length: Int)) {
        try write(bytes, to: path)
        let file = try OpenFile(path, for: .reading)
        var buffer = LineBuffer(at: offset, maximumLineLength: limit)
        var lines: [(LineBuffer.Line, [UInt8])] = []
        while try buffer.fill(from: file) {
            while let line = buffer.nextLine() { lines.append((line, Array(buffer.bytes[line.range]))) }
        }
        return (lines, buffer.tail)
    }

    @Test(
        "The lines are those of the text split at line breaks",
        arguments: ["", "\n", "a", "a\n", "\n\n", "a\n\nb\r\nc", "\u{2028}\n\u{85}\n"])
    func agreesWithSplitting(_ text: String) throws {
        let bytes = Array(text.utf8)
        var expected = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map(Array.init)
        let tail = expected.removeLast()
        let result = try lines(of: bytes)
        #expect(result.lines.map(\.1) == expected)
        #expect(result.lines.map(\.0.number) == Array(1..<expected.count + 1))
        #expect(result.tail == (bytes.count - tail.count, tail.count))
        for (line, content) in result.lines {
            #expect(Array(bytes[line.offset...].prefix(content.count)) == content)
        }
    }

    @Test("Lines that cross chunks are read as a whole") func agreesWithSplittingAcrossChunks() throws {
        var generator = SystemRandomNumberGenerator()
        let lengths = (0..<60).map { _ in Int.random(in: 0...LineBuffer.chunkSize / 8, using: &generator) }
        let expected =
            lengths.map { [UInt8](repeating: UInt8(ascii: "x"), count: $0) } + [
                [UInt8](repeating: UInt8(ascii: "y"), count: LineBuffer.chunkSize * 3),
                [UInt8](repeating: UInt8(ascii: "z"), count: LineBuffer.chunkSize),
                [UInt8](repeating: UInt8(ascii: "z"), count: LineBuffer.chunkSize - 1), [],
            ]
        let result = try lines(of: Array(expected.joined(separator: [UInt8(ascii: "\n")])) + [UInt8(ascii: "\n")])
        #expect(result.lines.map(\.1) == expected)
        #expect(result.tail.length == 0)
    }

    @Test("Reading can start at the offset of any line") func startsAnywhere() throws {
        let result = try lines(of: Array("one\ntwo\nthree".utf8), at: 4)
        #expect(result.lines.map(\.1) == [Array("two".utf8)])
        #expect(result.lines.map(\.0.offset) == [4])
        #expect(result.tail == (8, 5))
    }

    @Test("Lines above the limit are skipped") func linesAboveTheLimitAreSkipped() throws {
        let long = [UInt8](repeating: UInt8(ascii: "x"), count: LineBuffer.chunkSize * 3)
        let result = try lines(of: Array("a\n".utf8) + long + Array("\nb\n".utf8) + long, limit: 1000)
        #expect(result.lines.map(\.0.omission) == [nil, .isTooLong, nil])
        #expect(result.lines.map(\.1) == [Array("a".utf8), [], Array("b".utf8)])
        #expect(result.lines.map(\.0.offset) == [0, 2, 2 + long.count + 1])
        #expect(result.tail == (2 + long.count + 3, long.count))
    }
}
