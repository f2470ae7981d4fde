import VerbatimAPI
import VerbatimPlatform

/// The parts that are fuzzed. Each target takes any bytes and reports the property that they break.
enum FuzzTarget: String, CaseIterable, Sendable {
    /// JSON text is read as Foundation reads it, and normalizing keeps its meaning.
    case scanner
    /// Setting and removing members changes nothing else.
    case editor
    /// Events are split alike wherever the network splits them, and as a plain reader splits them.
    case splitter
    /// The forwarded request differs from the agent's request exactly by what `client_fields` lists.
    case request
    /// Replies are restored and recorded alike however they arrive. If nothing was injected, nothing changes.
    case chat, completions, responses, messages
    /// Any file can be read as a trace.
    case trace

    /// The API whose replies are fuzzed.
    var api: API? {
        switch self {
        case .chat: .chatCompletions
        case .completions: .completions
        case .responses: .responses
        case .messages: .messages
        case .scanner, .editor, .splitter, .request, .trace: nil
        }
    }

    /// - Throws: ``Violation``
    func check(_ input: [UInt8]) throws {
        switch self {
        case .scanner: try ScannerProperties.check(input)
        case .editor: try EditorProperties.check(input)
        case .splitter: try SplitterProperties.check(input)
        case .request: try RequestProperties.check(input)
        case .chat, .completions, .responses, .messages:
            if let api { try ReplyProperties.check(input, of: api) }
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
    /// The elements, for comparison.
    var array: [UInt8] {
        var result: [UInt8] = []
        for index in indices { result.append(self[index]) }
        return result
    }
}

/// Whether UTF-8 text contains U+0085, U+2028 or U+2029, at which some readers of lines break a line.
func hasLineSeparator(_ text: [UInt8]) -> Bool {
    ["\u{85}", "\u{2028}", "\u{2029}"].contains { text.firstOffset(of: Array($0.utf8)) != nil }
}

/// Makes choices from the bytes at the front of an input. When none are left, it uses zeros.
struct Choices {
    private(set) var rest: ArraySlice<UInt8>

    init(_ input: [UInt8]) { rest = input[...] }

    mutating func byte() -> Int { Int(rest.popFirst() ?? 0) }

    mutating func pick<Option>(_ options: [Option]) -> Option { options[byte() % options.count] }
}

/// Returns some offsets at which to cut an input. They are cheap to derive and differ between seeds.
func cuts(of count: Int, seed: Int) -> [Int] {
    var state = UInt64(truncatingIfNeeded: seed) &* 0x9E37_79B9_7F4A_7C15 | 1
    var cuts: [Int] = []
    var position = 0
    while position < count, cuts.count < 256 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        // Mostly small steps, so that many cuts are within line endings and escapes.
        let step = Int(state >> 33) % (seed % 3 == 0 ? 3 : seed % 3 == 1 ? 40 : 400) + 1
        position += step
        if position < count { cuts.append(position) }
    }
    return cuts
}

/// Returns the pieces of `bytes` between `cuts`.
func pieces(of bytes: [UInt8], cuts: [Int]) -> [ArraySlice<UInt8>] {
    var pieces: [ArraySlice<UInt8>] = []
    var start = 0
    for cut in cuts + [bytes.count] {
        pieces.append(bytes[start..<cut])
        start = cut
    }
    return pieces
}

/// Returns the name as ``JSONOracle/comparableTree(of:)`` spells it.
func spelled(_ name: String) -> [UInt8] {
    Array(name.unicodeScalars.map { $0.isASCII ? String($0) : "<\(String($0.value, radix: 16))>" }.joined().utf8)
}
