import VerbatimJSON
import VerbatimPlatform

/// Decides whether an engine's error rejects the injection, and what may be tried next.
package enum InjectionRejection {
    /// Returns what the next attempt may inject, or nil if the error is not about the injection.
    ///
    /// The status must be 400, 403, 404 or 422, or 500 or 501, which old llama.cpp builds use. The body, JSON or text,
    /// must name something that was injected.
    package static func injectionLimits(
        afterStatus status: Int, body: Span<UInt8>, injection: Injection, injectionLimits: InjectionLimits
    ) -> InjectionLimits? {
        guard [400, 403, 404, 422, 500, 501].contains(status), !injection.isEmpty else { return nil }
        let text = withoutQuotedRequest(String(copying: body, 0..<min(body.count, 64 << 10)).lowercased())
        // A server error may mention log-probabilities for another reason than missing support.
        if status >= 500
            && !["support", "implement", "unknown", "unrecognized", "not allowed", "requires"].contains(
                where: { text.contains(text: $0) })
        {
            return nil
        }
        // OpenRouter finds no provider that supports each field, if the agent demands that (`require_parameters`).
        if status == 404 {
            return text.contains(text: "endpoints") && text.contains(text: "requested parameters") ? .nothing : nil
        }
        var next = injectionLimits
        if injection.ids.contains(where: { id in id.names.contains { text.contains(text: $0) } }) {
            next.tokenIDs = false
            return next
        }
        guard let top = injection.topLogprobs, namesLogprobs(text, injection) else { return nil }
        if let maximum = statedMaximum(in: text, below: top) {
            next.maximumTopLogprobs = maximum
            return next
        }
        return .nothing
    }

    /// Whether an error about the agent's request may show what was injected: by its name, as a part of the request
    /// that is quoted, or as a number of fields.
    package static func mayShow(_ injection: Injection, inStatus status: Int, body: Span<UInt8>) -> Bool {
        // A repeat of what failed in the engine would cost another generation.
        guard 400..<500 ~= status, !injection.isEmpty else { return false }
        let text = String(copying: body, 0..<min(body.count, 64 << 10)).lowercased()
            .replacing(text: "prompt_logprob", with: "")
        return (names(of: injection) + quotes).contains { text.contains(text: $0) }
    }

    /// What stands before a part of the request that an error quotes, or behind the number of its fields.
    private static let quotes = ["'input'", "\"input\"", "\"input\\\"", "input_value", " items>", " fields>"]

    /// Larger requests are not searched, which takes time that other agents would wait.
    private static let maximumSearchedSize = 1 << 20

    /// Whether an error may name the injection only because it quotes the agent, whose request has the same words.
    package static func mayBeQuoted(from request: [UInt8], _ injection: Injection) -> Bool {
        if request.count > maximumSearchedSize { return true }
        // A name of the injection is ASCII, so that a request with escaped ASCII letters may spell it.
        return ["4", "5", "6", "7"].contains { request.containsText("\\u00" + $0) }
            || names(of: injection).contains { request.containsText($0) }
    }

    /// The names, in lower case, by which errors refer to what was injected.
    private static func names(of injection: Injection) -> [String] {
        injection.ids.flatMap(\.names)
            + (injection.topLogprobs == nil ? [] : ["logprob", "n_probs", "top_n_tokens", "requested parameters"])
    }

    /// The message without the parts of the request that FastAPI quotes in it: `'input': {…}`. A field that is quoted
    /// there is not the one that was refused.
    private static func withoutQuotedRequest(_ text: String) -> String {
        let bytes = Array(text.utf8)
        var quotes = Marks(["'input':", "\"input\":", "input_value="], in: bytes)
        // The next of several errors begins with its location.
        var locations = Marks(["'loc':", "\"loc\":"], in: bytes)
        var kept: [UInt8] = []
        var place = 0
        while let quote = quotes.next(from: place) {
            kept += bytes[place..<quote]
            place = locations.next(from: quote) ?? bytes.count
        }
        return String(decoding: kept + bytes[place...], as: UTF8.self)
    }

    /// Where some words occur. Each part of the text is searched once for each word.
    private struct Marks {
        private let text: [UInt8]
        private var words: [(bytes: [UInt8], next: Int?)]

        init(_ words: [String], in text: [UInt8]) {
            self.text = text
            self.words = words.map { word in
                let bytes = Array(word.utf8)
                return (bytes, text.firstOffset(of: bytes))
            }
        }

        /// The first occurrence of any word at or behind `place`, which never decreases.
        mutating func next(from place: Int) -> Int? {
            for index in words.indices {
                guard let next = words[index].next, next < place else { continue }
                words[index].next = text.firstOffset(of: words[index].bytes, from: place)
            }
            return words.compactMap(\.next).min()
        }
    }

    /// Whether a message names a field by which log-probabilities were asked for. `prompt_logprobs` are never injected.
    /// TGI calls `top_logprobs` `top_n_tokens`.
    private static func namesLogprobs(_ text: String, _ injection: Injection) -> Bool {
        if injection.logprobs == .nProbs && text.contains(text: "n_probs") { return true }
        if injection.logprobs == .included && namesInclude(text) { return true }
        return text.replacing(text: "prompt_logprob", with: "").contains(text: "logprob")
            || text.contains(text: "top_n_tokens")
    }

    /// Whether an error says that it is about the parameter `include`.
    private static func namesInclude(_ text: String) -> Bool {
        text.filter { !$0.isWhitespace }.contains(text: #""param":"include"#)
    }

    /// The highest number of alternatives that a message about a range allows; nil for any other message.
    private static func statedMaximum(in text: String, below current: Int) -> Int? {
        let phrases = [
            "max allowed", "maximum of", "maximum is", "maximum allowed", "must be between", "less than or equal to",
            "<=", "at most", "no more than", "greater than", "must not exceed", "exceeds",
        ]
        var isAboutRange = false
        for phrase in phrases {
            guard let found = text.firstRange(ofText: phrase) else { continue }
            isAboutRange = true
            let numbers = text[found.upperBound...].prefix(40).split { !$0.isASCII || !$0.isNumber }.compactMap {
                Int($0)
            }
            let stated = phrase == "must be between" ? numbers.dropFirst().first : numbers.first
            if let stated, stated < current { return stated }
        }
        return isAboutRange && current > 1 ? 1 : nil
    }
}

extension EngineProfile.IDField {
    /// Names, in lower case, by which a message can refer to the field.
    fileprivate var names: [String] {
        switch self {
        case .flag(let name) where name.contains(text: "sglext"): ["sglext"]
        case .flag(let name): [name]
        case .member(let member, _, let parent): [member, parent]
        }
    }
}

extension [UInt8] {
    /// Whether an ASCII text in lower case occurs, in whatever case.
    fileprivate func containsText(_ text: String) -> Bool {
        let text = Array(text.utf8)
        guard let first = text.first, count >= text.count else { return false }
        func isSame(_ byte: UInt8, _ wanted: UInt8) -> Bool {
            byte == wanted || (65...90 ~= byte && byte | 0x20 == wanted)
        }
        let bytes = span
        for start in 0...(bytes.count - text.count) where isSame(bytes[start], first) {
            var length = 1
            while length < text.count && isSame(bytes[start + length], text[length]) { length += 1 }
            if length == text.count { return true }
        }
        return false
    }
}
