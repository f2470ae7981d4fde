import TestSupport
import Testing
import VerbatimJSON

@Suite struct JSONWriterTests {
    private func text(_ write: (inout JSONWriter) -> Void) -> String { JSONWriter.string(write) }

    @Test func membersAndElementsAreSeparatedByCommas() {
        let written = text { json in
            json.object { json in
                json.member("a", 1)
                json.object("b") { json in json.array("c") { _ in } }
                json.member("d", "{")
                json.array("e") { json in
                    json.null()
                    json.value(true)
                    json.object { _ in }
                    json.array { json in json.value("[") }
                    json.value(-7)
                }
                json.key(named: "f\"")
                json.value(false)
            }
        }
        #expect(written == #"{"a":1,"b":{"c":[]},"d":"{","e":[null,true,{},["["],-7],"f\"":false}"#)
    }

    @Test func missingValuesAreNull() {
        let written = text { json in
            json.object { json in
                json.member("string", String?.none)
                json.member("number", Int?.none)
                json.member("json", normalizing: nil)
                json.member("nothing", normalizing: [])
                json.member("list", [])
            }
        }
        #expect(written == #"{"string":null,"number":null,"json":null,"nothing":null,"list":[]}"#)
    }

    @Test(arguments: [Int.min, -1, 0, 9, Int.max])
    func integersAreWrittenInFull(value: Int) {
        #expect(text { $0.value(value) } == String(value))
    }

    @Test func rawTextIsKeptAndOtherTextIsNormalized() {
        let source = #"{ "x" : 1.0 }"#
        let written = text { json in
            json.array { json in
                json.raw(source.bytes)
                json.normalized(source.bytes)
                json.raw { $0.append(contentsOf: "1e-5".utf8) }
            }
        }
        #expect(written == #"[{ "x" : 1.0 },{"x":1.0},1e-5]"#)
    }

    @Test func whatNormalizingLosesIsAddedUp() {
        _ = JSONWriter.bytes { json in
            json.object { json in
                json.member("plain", normalizing: "1".bytes)
                #expect(json.losses.isEmpty)
                json.member("number", normalizing: "[NaN]".bytes)
                #expect(json.losses == [.nonFiniteNumber])
                json.member("text", normalizing: [0x22, 0xFF, 0x22])
                #expect(json.losses == [.nonFiniteNumber, .invalidUTF8])
            }
        }
    }

    @Test func textIsAppendedToWhatIsThere() {
        var line = "{}\n{".bytes
        JSONWriter.append(to: &line) { json in json.object { json in json.member("a", 1) } }
        JSONWriter.append(to: &line) { json in json.value("b") }
        #expect(String(decoding: line, as: UTF8.self) == "{}\n{" + #"{"a":1}"b""#)
    }

    @Test(arguments: JSONEscapingTests.strings)
    func stringsAreEscapedAsEverywhere(value: String) {
        var escaped: [UInt8] = []
        escaped.appendJSONString(value)
        #expect(JSONWriter.bytes { $0.value(value) } == escaped)
        #expect(
            JSONWriter.bytes { json in
                json.object { json in
                    json.key(named: value)
                    json.null()
                }
            } == "{".bytes + escaped + ":null}".bytes)
    }
}
