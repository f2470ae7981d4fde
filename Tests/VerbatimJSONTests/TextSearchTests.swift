import VerbatimJSON
import Testing
import VerbatimPlatform

@Suite("Text search")
struct TextSearchTests {
    @Test(
        "is found where the standard library finds it",
        arguments: ["", "a", "ab", "aab", "abab", "b€", "€", "://", "ba"])
    func findsTheFirst(sought: String) {
        for text in ["", "a", "ab", "aaab", "ababab", "xb€b€", "€", "http://a://b", "bbba"] {
            let expected = text.firstRange(of: sought)
            #expect(text.firstRange(ofText: sought) == expected, "\(sought) in \(text)")
            #expect(text.contains(text: sought) == (expected != nil), "\(sought) in \(text)")
        }
    }

    @Test(
        "Bytes are found from any offset on where a plain search finds them",
        arguments: ["", "a", "ab", "aab", "abab", "b€", "€", "ba"])
    func findsBytesFromAnyOffset(sought: String) {
        let needle = Array(sought.utf8)
        for text in ["", "a", "ab", "aaab", "ababab", "xb€b€", "€", "bbba"] {
            let bytes = Array(text.utf8)
            for start in 0...bytes.count + 1 {
                let places = (0...bytes.count).filter { $0 >= start && bytes[$0...].starts(with: needle) }
                #expect(
                    bytes.firstOffset(of: needle, from: start) == places.first, "\(sought) in \(text) from \(start)")
                guard let byte = needle.first, needle.count == 1 else { continue }
                #expect(bytes.firstOffset(of: byte, from: start) == places.first, "\(sought) in \(text) from \(start)")
            }
        }
    }

    @Test("Text is found in a substring")
    func findsInSubstrings() {
        let text = "ab-ab-ab"
        let rest = text.dropFirst(1)
        #expect(rest.firstRange(ofText: "ab").map { text.distance(from: text.startIndex, to: $0.lowerBound) } == 3)
        #expect(text.prefix(7).dropFirst(4).firstRange(ofText: "ab") == nil)
    }

    @Test("Text is compared byte by byte, even if it forms one character with its neighbors")
    func findsBytes() {
        #expect("e\u{301}x".contains(text: "e"))
        #expect(!"\u{E9}".contains(text: "e\u{301}"))
    }

    @Test("Every occurrence is replaced")
    func replaces() {
        #expect("a\\'b\\'".replacing(text: "\\'", with: "'") == "a'b'")
        #expect("aaa".replacing(text: "aa", with: "b") == "ba")
        #expect("abc".replacing(text: "x", with: "y") == "abc")
        #expect("abc".replacing(text: "", with: "y") == "abc")
        #expect("abc".replacing(text: "abc", with: "") == "")
    }
}
