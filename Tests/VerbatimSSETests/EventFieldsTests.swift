import VerbatimSSE
import TestSupport
import Testing

@Suite struct EventFieldsTests {
    @Test(arguments: 0..<1500 as Range<UInt64>)
    func readsEventsAsTheNaiveReaderDoes(seed: UInt64) {
        var generator = EventStreamGenerator(seed: seed)
        let stream = generator.stream()
        for unit in StreamReader(stream).units where unit.kind == .event {
            let event = ReadEvent(unit.bytes)
            // A byte order mark has a meaning at the start of a stream only.
            #expect([event].compactMap(\.self) == NaiveEventStream.events(in: Array("\n".utf8) + unit.bytes))
        }
    }

    @Test(arguments: [
        ("data: x\n\n", ["x"]), ("data:x\n\n", ["x"]), ("data:  x \n\n", [" x "]), ("data\n\n", [""]),
        ("data:\n\n", [""]),
        ("data: \n\n", [""]), ("data: a\ndata: b\ndata\n\n", ["a", "b", ""]),
        ("data: a\r\ndata: b\r\n\r\n", ["a", "b"]),
        ("data: a\rdata: b\r\r", ["a", "b"]), ("data: a:b\n\n", ["a:b"]), ("data::\n\n", [":"]), ("id: x\n\n", []),
        ("Data: x\n\n", []), ("data : x\n\n", []), (" data: x\n\n", []), (":data: x\n\n", []), ("datax\n\n", []),
        // Without the blank line, as at the unfinished end of a stream.
        ("data: a\ndata: b", ["a", "b"]), ("data: a\r", ["a"]), ("dat", []), ("", []), ("\n", []),
    ])
    func findsTheData(event: String, data: [String]) {
        let bytes = Array(event.utf8)
        let fields = EventFields(of: bytes.span)
        let ranges = [fields.data].compactMap(\.self) + fields.furtherData
        #expect(ranges.map { String(decoding: bytes[$0], as: UTF8.self) } == data)
    }

    @Test(arguments: [
        ("data: x\n\n", nil), ("event: error\ndata: x\n\n", "error"), ("event:error\n\n", "error"),
        ("event: a\nevent: b\n\n", "b"), ("data: x\nevent: late\n\n", "late"), ("event\n\n", nil), ("event:\n\n", nil),
        ("event: a\nevent: \n\n", nil), ("Event: x\n\n", nil), ("event:  two spaces\n\n", " two spaces"),
    ])
    func findsTheName(event: String, name: String?) {
        let bytes = Array(event.utf8)
        let fields = EventFields(of: bytes.span)
        #expect(fields.name.map { String(decoding: bytes[$0], as: UTF8.self) } == name)
    }
}
