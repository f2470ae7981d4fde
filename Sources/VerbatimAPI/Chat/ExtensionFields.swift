import VerbatimJSON

/// Token ids that an engine sends for the whole reply at once, in an object of its own beside the choices.
///
/// SGLang: `"sglext":{"input_ids":[…],"output_ids":[[…],…]}`. Dynamo: `"nvext":{"completion_token_ids":[…]}`, or the
/// same within `engine_data`. llama.cpp: `"__verbose":{"tokens":[…],…}`, of the first choice only.
struct ExtensionFields: Sendable {
    private(set) var promptTokenIDs: [UInt8]?
    /// One list for each choice, by index.
    private(set) var completionTokenIDs: [[UInt8]] = []
    /// Whether they belong to one choice; which one is not known if there are several.
    private(set) var areOfOneChoice = false
    /// Whether llama.cpp has said what ended a choice, and whether that was a stop string.
    private(set) var hasStopType = false
    private(set) var hasStopString = false

    static func reads(_ key: JSONString, in text: Span<UInt8>) -> Bool {
        key.equals("sglext", in: text) || key.equals("nvext", in: text) || isVerbose(key, in: text)
    }

    /// Whether this is llama.cpp's object, which also repeats the prompt and much else that no record needs.
    static func isVerbose(_ key: JSONString, in text: Span<UInt8>) -> Bool { key.equals("__verbose", in: text) }

    mutating func read(_ object: JSONObject, of text: Span<UInt8>) throws(JSONError) {
        // A completion of llama.cpp has the tokens of each event in it.
        if object.value("stop", in: text)?.kind == .false { return }
        for member in object.members {
            let value = member.value
            if member.key.equals("input_ids", in: text), value.kind == .array {
                promptTokenIDs = JSONNormalizer.normalized(value.range, of: text)
            } else if member.key.equals("output_ids", in: text), value.kind == .array {
                completionTokenIDs = try lists(in: value, of: text)
            } else if member.key.equals("completion_token_ids", in: text), value.kind == .array {
                completionTokenIDs = [JSONNormalizer.normalized(value.range, of: text)]
            } else if member.key.equals("tokens", in: text), value.kind == .array {
                completionTokenIDs = [JSONNormalizer.normalized(value.range, of: text)]
                areOfOneChoice = true
            } else if member.key.equals("stop_type", in: text), value.kind == .string {
                hasStopType = true
                if value.equals("word", in: text) { hasStopString = true }
            } else if member.key.equals("engine_data", in: text),
                let data = try JSONObject(scanning: text, at: value.range.lowerBound, options: .nonFiniteNumbers)
            {
                try read(data, of: text)
            }
        }
    }

    /// The lists in a list. A list of numbers is taken for a single list.
    private func lists(in array: JSONValue, of text: Span<UInt8>) throws(JSONError) -> [[UInt8]] {
        var lists: [[UInt8]] = []
        var cursor = JSONCursor(at: array.range.lowerBound, options: .nonFiniteNumbers)
        try cursor.enterArray(in: text)
        while try cursor.nextElement(in: text) {
            let element = try cursor.skipValue(in: text)
            if element.kind == .number { return [JSONNormalizer.normalized(array.range, of: text)] }
            lists.append(JSONNormalizer.normalized(element.range, of: text))
        }
        return lists
    }
}

extension Injection {
    /// The members of the object in field `key` of a reply that are there because of the injection.
    func members(of key: JSONString, _ object: JSONObject, in text: Span<UInt8>) -> Set<JSONString> {
        if ExtensionFields.isVerbose(key, in: text) {
            return ids.contains(.flag("verbose")) ? Set(object.members.map(\.key)) : []
        }
        var members: Set<JSONString> = []
        for id in ids {
            guard let (parent, name) = id.replyMember, key.equals(Array(parent.utf8), in: text) else { continue }
            if let member = object.member(named: name, in: text) { members.insert(member.key) }
        }
        return members
    }
}

extension EngineProfile.IDField {
    /// The member in an extension object that has the ids.
    fileprivate var replyMember: (parent: String, name: String)? {
        switch self {
        case .flag("return_input_ids_in_sglext"): ("sglext", "input_ids")
        case .flag("return_output_ids_in_sglext"): ("sglext", "output_ids")
        case .flag: nil
        case .member(let member, _, let parent): (parent, member)
        }
    }
}
