/// A list of JSON values that grows at the end. Only the text of the values is kept: `-1.0,null,-0.25`.
package struct JSONList: Equatable, Sendable {
    /// The elements, separated by commas.
    package private(set) var rope = ByteRope()
    package private(set) var count = 0

    package init() {}

    /// A list of `count` nulls.
    package init(nulls count: Int) {
        for _ in 0..<count { appendNull() }
    }

    /// A list of these texts, with `null` for nil.
    package init(_ elements: [ArraySlice<UInt8>?]) {
        for element in elements {
            if let element { append(Array(element)) } else { appendNull() }
        }
    }

    /// The elements of a JSON array; nil if `text` is not a JSON array.
    package init?(array text: Span<UInt8>) {
        var cursor = JSONCursor(options: .nonFiniteNumbers)
        guard (try? cursor.peekKind(in: text)) == .array, (try? cursor.enterArray(in: text)) != nil else { return nil }
        do throws(JSONError) {
            while try cursor.nextElement(in: text) { append(try cursor.skipValue(in: text).range, of: text) }
        } catch {
            return nil
        }
    }

    /// The texts of the elements.
    package var elements: [ArraySlice<UInt8>] {
        let text = array
        var cursor = JSONCursor()
        var elements: [ArraySlice<UInt8>] = []
        elements.reserveCapacity(count)
        guard (try? cursor.enterArray(in: text.span)) != nil else { return [] }
        while (try? cursor.nextElement(in: text.span)) ?? false {
            guard let element = try? cursor.skipValue(in: text.span) else { break }
            elements.append(text[element.range])
        }
        return elements
    }

    /// True if any element contains a digit. For a list of numbers and nulls: true unless all are null.
    package var hasNumber: Bool {
        var hasNumber = false
        rope.forEachPiece { piece in hasNumber = hasNumber || piece.contains { (0x30...0x39).contains($0) } }
        return hasNumber
    }

    /// Removes the first `number` elements, or all if there are fewer.
    package mutating func removeFirst(_ number: Int) {
        if number <= 0 { return }
        let text = array
        var cursor = JSONCursor()
        var rest = JSONList()
        var position = 0
        do throws(JSONError) {
            try cursor.enterArray(in: text.span)
            while try cursor.nextElement(in: text.span) {
                let element = try cursor.skipValue(in: text.span)
                if position >= number { rest.append(element.range, of: text.span) }
                position += 1
            }
        } catch {
            // Does not happen: the elements are JSON.
        }
        self = rest
    }

    package mutating func append(contentsOf other: JSONList) {
        if other.isEmpty { return }
        separate()
        rope.append(other.rope)
        count += other.count - 1
    }

    package var isEmpty: Bool { count == 0 }

    /// Appends the value in `range`. It is normalized first unless `isNormal`.
    @discardableResult
    package mutating func append(
        _ range: Range<Int>, of text: Span<UInt8>, isNormal: Bool = false
    ) -> JSONNormalizer.Losses {
        append(elements: range, count: 1, of: text, isNormal: isNormal)
    }

    /// Appends the JSON text of one value, which must be normalized already.
    package mutating func append(_ value: [UInt8]) {
        separate()
        rope.append(value)
    }

    package mutating func append(_ value: Int) {
        separate()
        rope.append(Array(String(value).utf8))
    }

    package mutating func appendNull() {
        separate()
        rope.append("null")
    }

    /// Appends the `count` values in `range`, which are separated by commas. They are normalized first unless
    /// `isNormal`.
    @discardableResult
    package mutating func append(
        elements range: Range<Int>, count: Int, of text: Span<UInt8>, isNormal: Bool = false
    ) -> JSONNormalizer.Losses {
        if count == 0 { return [] }
        separate()
        self.count += count - 1
        if isNormal {
            rope.append(copying: text, range)
            return []
        }
        return rope.append(about: range.count) { JSONNormalizer.append(range, of: text, to: &$0) }
    }

    /// The list as a JSON array.
    package var array: [UInt8] {
        var array: [UInt8] = []
        array.reserveCapacity(rope.count + 2)
        array.append(UInt8(ascii: "["))
        array.append(rope)
        array.append(UInt8(ascii: "]"))
        return array
    }

    private mutating func separate() {
        if count > 0 { rope.append(UInt8(ascii: ",")) }
        count += 1
    }
}

extension ByteRope {
    /// Appends the list as a JSON array.
    package mutating func append(_ list: JSONList) {
        append("[")
        append(list.rope)
        append("]")
    }
}

extension JSONWriter {
    /// Writes the list as a JSON array.
    package mutating func list(_ list: JSONList) {
        raw { bytes in
            bytes.append(UInt8(ascii: "["))
            bytes.append(list.rope)
            bytes.append(UInt8(ascii: "]"))
        }
    }

    /// Writes a member that is an array.
    package mutating func member(_ name: StaticString, _ list: JSONList) {
        key(name)
        self.list(list)
    }
}
