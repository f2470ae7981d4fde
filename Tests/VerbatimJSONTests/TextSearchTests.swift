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

    @Test("Text is found in a substring")
    func findsInSubstrings() {
        let text = "ab-ab-ab"
        let rest = text.dropFirst(1)
        #expect(rest.firstRange(ofText: "ab").map { text.distance(from: text.startIndex, to: $0.lowerBound) } == 3)
        #expect(text.prefix(7).dropFirst(4).firstRange(ofText: "ab") == nil)
    }

    @Test("Text is compared byte by byte, even if it forms one character with its neighbours")
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
