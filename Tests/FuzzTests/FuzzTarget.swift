import VerbatimAPI

/// What is fuzzed. Each target takes any bytes and says which property they break.
enum FuzzTarget: String, CaseIterable, Sendable {
    /// JSON text is located as Foundation reads it, and comes out of the normaliser meaning the same.
    case scanner
    /// Members are set and removed, and nothing else changes.
    case editor
    /// Events are cut alike wherever the network cut them, and as a plain reader would.
    case splitter
    /// What is forwarded differs from what was sent by what `client_fields` says.
    case request
    /// Replies are restored and recorded alike however they arrive; where nothing was injected nothing changes.
    case chat, completions, responses, messages
    /// Whatever stands in a trace can be read.
    case trace

    /// - Throws: ``Violation``
    func check(_ input: [UInt8]) throws {
        switch self {
        case .scanner: try ScannerProperties.check(input)
        case .editor: try EditorProperties.check(input)
        case .splitter: try SplitterProperties.check(input)
        case .request: try RequestProperties.check(input)
        case .chat: try ReplyProperties.check(input, of: .chatCompletions)
        case .completions: try ReplyProperties.check(input, of: .completions)
        case .responses: try ReplyProperties.check(input, of: .responses)
        case .messages: try ReplyProperties.check(input, of: .messages)
        case .trace: try TraceProperties.check(input)
        }
    }
}

/// A property that does not hold.
struct Violation: Error, CustomStringConvertible {
    let description: String

    static func unless(_ holds: Bool, _ description: @autoclosure () -> String) throws {
        if !holds { throw Violation(description: description()) }
    }
}

extension Span<UInt8> {
    /// All of it, to be compared.
    var array: [UInt8] {
        var result: [UInt8] = []
        for index in indices { result.append(self[index]) }
        return result
    }
}

/// Takes bytes off the front of an input, to choose by; zeros when there are none left.
struct Choices {
    private(set) var rest: ArraySlice<UInt8>

    init(_ input: [UInt8]) { rest = input[...] }

    mutating func byte() -> Int { Int(rest.popFirst() ?? 0) }

    mutating func pick<Option>(_ options: [Option]) -> Option { options[byte() % options.count] }
}

/// Places to cut an input at, not all of them: cheap to derive and different for each seed.
func cuts(of count: Int, seed: Int) -> [Int] {
    var state = UInt64(truncatingIfNeeded: seed) &* 0x9E37_79B9_7F4A_7C15 | 1
    var cuts: [Int] = []
    var position = 0
    while position < count, cuts.count < 256 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        // Mostly small steps, so that many cuts fall within an event's line endings and escapes.
        let step = Int(state >> 33) % (seed % 3 == 0 ? 3 : seed % 3 == 1 ? 40 : 400) + 1
        position += step
        if position < count { cuts.append(position) }
    }
    return cuts
}

/// The pieces of `bytes` between `cuts`.
func pieces(of bytes: [UInt8], cuts: [Int]) -> [ArraySlice<UInt8>] {
    var pieces: [ArraySlice<UInt8>] = []
    var start = 0
    for cut in cuts + [bytes.count] {
        pieces.append(bytes[start..<cut])
        start = cut
    }
    return pieces
}

/// As ``JSONOracle/comparableTree(of:)`` has it.
func spelled(_ name: String) -> [UInt8] {
    Array(name.unicodeScalars.map { $0.isASCII ? String($0) : "<\(String($0.value, radix: 16))>" }.joined().utf8)
}
