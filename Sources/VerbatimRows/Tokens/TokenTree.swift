/// Token sequences that share their prefixes: a radix tree.
///
/// Each vertex is the end of a sequence that was inserted, or a place where sequences part. Inserting takes one pass
/// over the tokens, and only tokens that no earlier sequence has at that place take memory. The tree is the same for
/// any order of insertion, but for the numbers of its vertices.
struct TokenTree {
    /// Numbers a vertex. Numbers stay valid when the tree grows.
    typealias Vertex = Int32

    private struct Edge {
        /// Where the tokens between the parent and the vertex are in ``TokenTree/tokens``.
        var tokens: Range<Int>
        var parent: Vertex
        /// The number of tokens from the root to the vertex.
        var depth: Int
    }

    private struct Branch: Hashable {
        let vertex: Vertex
        let token: UInt32
    }

    static let root: Vertex = 0

    private var tokens: [UInt32] = []
    private var edges = [Edge(tokens: 0..<0, parent: 0, depth: 0)]
    private var branches: [Branch: Vertex] = [:]

    /// The number of tokens that take memory.
    var storedTokens: Int { tokens.count }

    func depth(of vertex: Vertex) -> Int { edges[Int(vertex)].depth }

    /// Returns the vertex one step nearer to the root, or nil for the root.
    func parent(of vertex: Vertex) -> Vertex? { vertex == Self.root ? nil : edges[Int(vertex)].parent }

    /// Inserts a sequence that begins at `start`. Returns the vertex at its end.
    mutating func insert(_ sequence: [UInt32], from start: Vertex = root) -> Vertex {
        var vertex = start
        var position = 0
        while position < sequence.count {
            let branch = Branch(vertex: vertex, token: sequence[position])
            guard let next = branches[branch] else {
                return append(sequence[position...], after: branch)
            }
            let edge = edges[Int(next)].tokens
            let shared = sharedLength(edge, sequence, from: position)
            position += shared
            vertex = shared == edge.count ? next : split(next, after: shared)
        }
        return vertex
    }

    /// How far an edge agrees with the sequence from `position` on.
    private func sharedLength(_ edge: Range<Int>, _ sequence: [UInt32], from position: Int) -> Int {
        let limit = min(edge.count, sequence.count - position)
        return tokens.withUnsafeBufferPointer { tokens in
            sequence.withUnsafeBufferPointer { sequence in
                var length = 0
                while length < limit && tokens[edge.lowerBound + length] == sequence[position + length] { length += 1 }
                return length
            }
        }
    }

    private mutating func append(_ rest: ArraySlice<UInt32>, after branch: Branch) -> Vertex {
        let start = tokens.count
        tokens.append(contentsOf: rest)
        return add(
            Edge(tokens: start..<tokens.count, parent: branch.vertex, depth: depth(of: branch.vertex) + rest.count),
            at: branch)
    }

    /// Puts a vertex into the edge that leads to `lower`. Returns it.
    private mutating func split(_ lower: Vertex, after length: Int) -> Vertex {
        let edge = edges[Int(lower)]
        let middle = edge.tokens.lowerBound + length
        let upper = add(
            Edge(
                tokens: edge.tokens.lowerBound..<middle, parent: edge.parent,
                depth: edge.depth - edge.tokens.count + length),
            at: Branch(vertex: edge.parent, token: tokens[edge.tokens.lowerBound]))
        edges[Int(lower)].tokens = middle..<edge.tokens.upperBound
        edges[Int(lower)].parent = upper
        branches[Branch(vertex: upper, token: tokens[middle])] = lower
        return upper
    }

    private mutating func add(_ edge: Edge, at branch: Branch) -> Vertex {
        let vertex = Vertex(edges.count)
        edges.append(edge)
        branches[branch] = vertex
        return vertex
    }

    /// The tokens from the root to a vertex.
    func sequence(to vertex: Vertex) -> [UInt32] {
        var parts: [Range<Int>] = []
        var current = vertex
        while current != Self.root {
            parts.append(edges[Int(current)].tokens)
            current = edges[Int(current)].parent
        }
        var sequence: [UInt32] = []
        sequence.reserveCapacity(depth(of: vertex))
        for part in parts.reversed() { sequence.append(contentsOf: tokens[part]) }
        return sequence
    }

    /// The number of tokens that the sequences to two vertices have in common at their start.
    func sharedDepth(_ first: Vertex, _ second: Vertex) -> Int {
        var (first, second) = (first, second)
        while first != second {
            // A vertex is deeper than its parent, so the deeper of both is no ancestor of the other.
            if depth(of: first) >= depth(of: second) {
                first = edges[Int(first)].parent
            } else {
                second = edges[Int(second)].parent
            }
        }
        return depth(of: first)
    }
}
