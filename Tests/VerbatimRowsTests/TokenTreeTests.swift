import TestSupport
import Testing

@testable import VerbatimRows

@Suite struct TokenTreeTests {
    @Test("A sequence is found again at its vertex") func sequences() {
        var tree = TokenTree()
        let sequences: [[UInt32]] = [[1, 2, 3], [1, 2], [1, 2, 3, 4, 5], [1, 9], [7], [1, 2, 3, 4, 6], []]
        let vertices = sequences.map { tree.insert($0) }
        for (sequence, vertex) in zip(sequences, vertices) {
            #expect(tree.sequence(to: vertex) == sequence)
            #expect(tree.depth(of: vertex) == sequence.count)
        }
        #expect(tree.storedTokens == 8, "shared tokens are stored once")
    }

    @Test("A sequence continues from the vertex of another") func continuation() {
        var tree = TokenTree()
        let prompt = tree.insert([1, 2, 3])
        let end = tree.insert([4, 5], from: prompt)
        #expect(tree.sequence(to: end) == [1, 2, 3, 4, 5])
        #expect(tree.insert([1, 2, 3, 4, 5]) == end)
    }

    /// The oracle compares arrays.
    @Test("Random sequences share what arrays share, in any order") func randomSequences() {
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<200 {
            let sequences = (0..<Int.random(in: 1...12, using: &generator)).map { _ in
                (0..<Int.random(in: 0...9, using: &generator)).map { _ in UInt32.random(in: 0...2, using: &generator) }
            }
            var tree = TokenTree()
            var other = TokenTree()
            let vertices = sequences.map { tree.insert($0) }
            for sequence in sequences.shuffled(using: &generator) { _ = other.insert(sequence) }
            #expect(tree.storedTokens == Set(sequences.flatMap(prefixes)).count)
            #expect(tree.storedTokens == other.storedTokens)
            for (first, a) in zip(sequences, vertices) {
                for (second, b) in zip(sequences, vertices) {
                    #expect(tree.sharedDepth(a, b) == zip(first, second).prefix { $0 == $1 }.count)
                }
            }
        }
    }

    private func prefixes(_ sequence: [UInt32]) -> [[UInt32]] {
        sequence.indices.map { Array(sequence[...$0]) }
    }
}
