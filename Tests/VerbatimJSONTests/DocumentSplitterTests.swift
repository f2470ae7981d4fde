import Testing
import VerbatimJSON

@Suite("JSON objects in text of any form")
struct DocumentSplitterTests {
    private func units(_ text: String, cutAt cut: Int) -> [(DocumentSplitter.Unit.Kind, String)] {
        var splitter = DocumentSplitter()
        let bytes = Array(text.utf8)
        var front: [UInt8] = []
        var units: [(DocumentSplitter.Unit.Kind, String)] = []
        for part in [bytes[..<cut], bytes[cut...]] {
            front += part
            while let unit = splitter.nextUnit(in: front.span) {
                let piece = String(decoding: front.prefix(unit.length), as: UTF8.self)
                if unit.kind == .filler, let last = units.last, last.0 == .filler {
                    units[units.count - 1].1 += piece
                } else {
                    units.append((unit.kind, piece))
                }
                front.removeFirst(unit.length)
            }
        }
        if !front.isEmpty { units.append((.filler, "rest: " + String(decoding: front, as: UTF8.self))) }
        return units
    }

    @Test(
        "The units are the same wherever the text is cut",
        arguments: [
            ("{}\n{\"a\":{}}", ["{}", "\n", "{\"a\":{}}"]), ("[{},{}]", ["[", "{}", ",", "{}", "]"]),
            (#"x{"a":"}\"{\\"}y"#, ["x", #"{"a":"}\"{\\"}"#, "y"]), ("}{}", ["}", "{}"]),
            ("{}data: [DONE]\n", ["{}", "data: ", "[DONE]", "\n"]), ("[DONE][DONX", ["[DONE]", "[DONX"]),
            ("{\"a\":[1,", ["rest: {\"a\":[1,"]), ("\"{\"}", ["\"", "rest: {\"}"]), ("a[D", ["a", "rest: [D"]),
        ])
    func cuts(text: String, expected: [String]) {
        for cut in 0...text.utf8.count {
            let units = units(text, cutAt: cut)
            #expect(units.map(\.1) == expected, "cut at \(cut)")
            for (kind, piece) in units {
                let isDocument = piece.first == "{"
                #expect(kind == (isDocument ? .document : piece == "[DONE]" ? .done : .filler), "\(piece)")
            }
        }
    }

    @Test("Documents are counted where they begin")
    func counting() {
        var splitter = DocumentSplitter()
        splitter.count(in: Array(#"{"a":"{"}, {"#.utf8).span)
        #expect(splitter.documents == 2)
        splitter.count(in: Array(#""b":{}}{}"#.utf8).span)
        #expect(splitter.documents == 3)
    }
}
