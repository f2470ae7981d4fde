/// Strings at which a reply stops that is like one seen before.
enum StopStrings {
    /// Returns the candidates, the most telling first: one that spans two tokens, since engines lose tokens there, then
    /// the letter that a reply in other words most likely has too.
    static func candidates(from text: String) -> [String] {
        [acrossWords(of: text), commonLetter(of: text)].compactMap(\.self)
    }

    /// The end of a word, the space and the beginning of the next: tokens begin with their space.
    private static func acrossWords(of text: String) -> String? {
        let letters = Array(text)
        let found = letters.indices.dropFirst(letters.count / 3).first { index in
            index > 0 && index + 1 < letters.count && letters[index] == " "
                && letters[index - 1].isLetter && letters[index + 1].isLetter
        }
        return found.map { String(letters[$0 - 1...$0 + 1]) }
    }

    private static func commonLetter(of text: String) -> String? {
        var counts: [Character: Int] = [:]
        for letter in text where letter.isASCII && letter.isLetter { counts[letter, default: 0] += 1 }
        return counts.max { ($0.value, $1.key) < ($1.value, $0.key) }.map { String($0.key) }
    }
}
