import VerbatimPlatform

/// What texts have in common that differ in some values only: strings, numbers, lists of natural numbers.
///
/// Events of a stream are like that for long stretches. A text of the same form is compared in long pieces, not walked through,
/// and what stands in it is found where it stood in the one before.
///
/// A list of numbers may be empty in another text. One that is empty in the text whose form is taken stays so.
package struct JSONTemplate: Sendable {
    /// A value that may be another of its kind.
    private struct Slot: Sendable {
        enum Kind: UInt8 { case string, number, naturals }

        let kind: Kind
        /// How many bytes that are always the same stand in front of it.
        let distance: UInt16
        /// Where it stands in the text that was matched last.
        var start: UInt16
        var end: UInt16
    }

    /// Which of the values that may be others.
    package struct Value: Hashable, Sendable {
        fileprivate let slot: Int16
    }

    /// A part of each text of the form, from between two values to between two others.
    package struct Stretch: Sendable {
        fileprivate let start: Place
        fileprivate let end: Place
    }

    /// So far behind a value, or behind the text's beginning.
    struct Place: Sendable {
        fileprivate let slot: Int16
        fileprivate let distance: UInt16
    }

    private var slots: [Slot] = []
    /// What stands in front of, between and behind the values.
    private var literals: [UInt8] = []

    /// So that offsets take two bytes: there is a form for each stream.
    package static let largestText = Int(UInt16.max)
    /// What a form keeps of each takes memory, and again there is a form for each stream.
    private static let mostSlots = 1024

    /// The form of `text`; `nil` if it is too long for one, or more than a thousand values may be others.
    ///
    /// - Parameter variable: Where JSON values stand that may be others, in any order. Of an object or an array it is what it
    ///   holds that may be other, not how much, nor the names of members.
    package init?(of text: Span<UInt8>, variable: [Range<Int>]) {
        guard text.count <= Self.largestText else { return nil }
        do throws(JSONError) {
            for range in variable.sorted(by: { $0.lowerBound < $1.lowerBound }) {
                var cursor = JSONCursor(at: range.lowerBound)
                try addSlots(with: &cursor, of: text)
            }
        } catch {
            return nil
        }
        guard slots.count <= Self.mostSlots else { return nil }
        addLiteral(upTo: text.count, of: text)
        // Without the room that grew with them: there is one for each stream.
        slots = slots.withUnsafeBufferPointer { Array($0) }
        literals = literals.withUnsafeBufferPointer { Array($0) }
    }

    private mutating func addSlots(with cursor: inout JSONCursor, of text: Span<UInt8>) throws(JSONError) {
        let kind = try cursor.peekKind(in: text)
        let start = cursor.offset
        switch kind {
        case .object:
            try cursor.enterObject(in: text)
            while try cursor.nextKey(in: text) != nil { try addSlots(with: &cursor, of: text) }
        case .array where text.withUnsafeBufferPointer { Self.behindNaturals($0, start) } == nil:
            try cursor.enterArray(in: text)
            while try cursor.nextElement(in: text) { try addSlots(with: &cursor, of: text) }
        case .array: add(.naturals, try cursor.skipValue(in: text).range, of: text)
        case .string: add(.string, try cursor.skipValue(in: text).range, of: text)
        case .number: add(.number, try cursor.skipValue(in: text).range, of: text)
        case .true, .false, .null, .nonFinite: try cursor.skipValue(in: text)
        }
    }

    private mutating func add(_ kind: Slot.Kind, _ range: Range<Int>, of text: Span<UInt8>) {
        let distance = addLiteral(upTo: range.lowerBound, of: text)
        slots.append(
            Slot(kind: kind, distance: distance, start: UInt16(range.lowerBound), end: UInt16(range.upperBound)))
    }

    @discardableResult
    private mutating func addLiteral(upTo end: Int, of text: Span<UInt8>) -> UInt16 {
        let start = slots.last.map { Int($0.end) } ?? 0
        literals.append(copying: text, start..<end)
        return UInt16(end - start)
    }

    // MARK: Matching

    /// Whether `text` has this form, and what may be other in it needs no normalizing. If so, values and stretches are from
    /// now on those in `text`; if not, they must not be asked for until a text matches.
    package mutating func matches(_ text: Span<UInt8>) -> Bool {
        text.count <= Self.largestText && text.withUnsafeBufferPointer { lengthOfMatch(in: $0) } == text.count
    }

    /// How much of `text`, from its beginning, has this form; `nil` if nothing has, or if it would be longer than
    /// ``largestText``.
    mutating func lengthOfMatch(in text: UnsafeBufferPointer<UInt8>) -> Int? {
        let text = UnsafeBufferPointer(rebasing: text.prefix(Self.largestText))
        return literals.withUnsafeBufferPointer { literals in
            slots.withUnsafeMutableBufferPointer { Self.lengthOfMatch(text, literals, $0) }
        }
    }

    private static func lengthOfMatch(
        _ text: UnsafeBufferPointer<UInt8>, _ literals: UnsafeBufferPointer<UInt8>,
        _ slots: UnsafeMutableBufferPointer<Slot>
    ) -> Int? {
        guard let bytes = text.baseAddress, var literal = literals.baseAddress else { return nil }
        var left = literals.count
        var offset = 0
        var scan = Scan()
        for index in slots.indices {
            let distance = Int(slots[index].distance)
            guard offset + distance < text.count, memcmp(bytes + offset, literal, distance) == 0 else { return nil }
            offset += distance
            literal += distance
            left -= distance
            slots[index].start = UInt16(truncatingIfNeeded: offset)
            switch slots[index].kind {
            case .string:
                guard text[offset] == UInt8(ascii: "\"") else { return nil }
                offset = scan.behindString(text, offset)
            case .number:
                guard text[offset] &- UInt8(ascii: "0") < 10 || text[offset] == UInt8(ascii: "-") else { return nil }
                offset = scan.behindNumber(text, offset)
            case .naturals:
                offset = behindNaturals(text, offset, mayBeEmpty: true) ?? Scan.failure
            }
            if offset < 0 { return nil }
            slots[index].end = UInt16(truncatingIfNeeded: offset)
        }
        guard scan.isNormal, text.count - offset >= left, memcmp(bytes + offset, literal, left) == 0 else { return nil }
        return offset + left
    }

    /// The offset behind a list of natural numbers that begins at `start`.
    private static func behindNaturals(
        _ text: UnsafeBufferPointer<UInt8>, _ start: Int, mayBeEmpty: Bool = false
    ) -> Int? {
        guard text[start] == UInt8(ascii: "[") else { return nil }
        var number = start + 1
        if mayBeEmpty, number < text.count, text[number] == UInt8(ascii: "]") { return number + 1 }
        let end = endOfNaturalNumbers(in: text, from: number)
        if end > number {
            if text[end] == UInt8(ascii: "]") { return end + 1 }
            // What stands in the text's last bytes is left to the caller.
            number = end + 1
        }
        while true {
            var offset = number
            while offset < text.count, text[offset] &- UInt8(ascii: "0") < 10 { offset += 1 }
            guard offset < text.count, offset == number + 1 || (offset > number && text[number] != UInt8(ascii: "0"))
            else {
                return nil
            }
            if text[offset] == UInt8(ascii: "]") { return offset + 1 }
            guard text[offset] == UInt8(ascii: ",") else { return nil }
            number = offset + 1
        }
    }

    // MARK: Values and stretches

    /// Which of the values begins at `offset` of the text that was matched last.
    package func value(at offset: Int) -> Value? {
        let index = firstSlot { Int($0.start) >= offset }
        return index < slots.count && Int(slots[index].start) == offset ? Value(slot: Int16(index)) : nil
    }

    /// Where a value stands in the text that was matched last.
    package func range(of value: Value) -> Range<Int> {
        let slot = slots[Int(value.slot)]
        return Int(slot.start)..<Int(slot.end)
    }

    /// The stretch that is in `range` of the text that was matched last; it neither begins nor ends within a value.
    package func stretch(in range: Range<Int>) -> Stretch {
        Stretch(start: place(at: range.lowerBound), end: place(at: range.upperBound))
    }

    /// Where a stretch is in the text that was matched last.
    package func range(of stretch: Stretch) -> Range<Int> { offset(of: stretch.start)..<offset(of: stretch.end) }

    func place(at offset: Int) -> Place {
        let behind = firstSlot { Int($0.end) > offset } - 1
        return Place(slot: Int16(behind), distance: UInt16(offset - (behind < 0 ? 0 : Int(slots[behind].end))))
    }

    /// The first value that `isBehind` something, as all behind it are; how many there are if none is.
    private func firstSlot(that isBehind: (Slot) -> Bool) -> Int {
        var range = slots.startIndex..<slots.endIndex
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            range = isBehind(slots[middle]) ? range.lowerBound..<middle : middle + 1..<range.upperBound
        }
        return range.lowerBound
    }

    func offset(of place: Place) -> Int {
        Int(place.distance) + (place.slot < 0 ? 0 : Int(slots[Int(place.slot)].end))
    }
}
