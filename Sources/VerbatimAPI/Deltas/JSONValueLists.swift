import VerbatimJSON

extension JSONValue {
    /// The bytes of a string without its quotes.
    var content: Range<Int> { range.lowerBound + 1..<range.upperBound - 1 }

    /// The elements of an array.
    func elements(in text: Span<UInt8>) -> [JSONValue] {
        guard kind == .array else { return [] }
        var elements: [JSONValue] = []
        var cursor = JSONCursor(at: range.lowerBound, options: .nonFiniteNumbers)
        // The value has been passed before, so that walking it again cannot fail.
        guard (try? cursor.enterArray(in: text)) != nil else { return [] }
        while (try? cursor.nextElement(in: text)) ?? false {
            guard let kind = try? cursor.peekKind(in: text), let value = try? cursor.skipValue(in: text) else { break }
            elements.append(JSONValue(kind: kind, range: value.range))
        }
        return elements
    }

    /// The elements of an array that are objects.
    func objects(in text: Span<UInt8>) -> [JSONObject] {
        elements(in: text).compactMap {
            $0.kind == .object
                ? try? JSONObject(scanning: text, at: $0.range.lowerBound, options: .nonFiniteNumbers) : nil
        }
    }

    /// Whether the value says nothing: null, an empty text or an empty list.
    func isBlank(in text: Span<UInt8>) -> Bool {
        switch kind {
        case .null: true
        case .string: range.count == 2
        case .array: elements(in: text).isEmpty
        default: false
        }
    }
}
