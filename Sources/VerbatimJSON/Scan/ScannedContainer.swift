extension JSONValue {
    /// The elements of an array that has been scanned before; nil for other values.
    package func elements(in text: Span<UInt8>) -> [JSONValue]? {
        guard kind == .array else { return nil }
        var elements: [JSONValue] = []
        var cursor = JSONCursor(at: range.lowerBound, options: .scannedBefore)
        do throws(JSONError) {
            try cursor.enterArray(in: text)
            while try cursor.nextElement(in: text) { elements.append(try cursor.skipValue(in: text)) }
            return elements
        } catch {
            return nil
        }
    }

    /// The members of an object that has been scanned before; nil for other values.
    package func object(in text: Span<UInt8>) -> JSONObject? {
        guard kind == .object else { return nil }
        do throws(JSONError) {
            return try JSONObject(scanning: text, at: range.lowerBound, options: .scannedBefore)
        } catch {
            return nil
        }
    }
}

extension JSONCursor.Options {
    /// Accepts whatever an earlier scan may have accepted.
    static let scannedBefore: JSONCursor.Options = [.nonFiniteNumbers, .recordDepth]
}
