import VerbatimPlatform

/// Recognizes JSON texts that differ from an example in some values only: strings, numbers, and arrays of natural
/// numbers.
///
/// Most events of a stream differ from the event before in a few values. The rest of a text is compared with the
/// example in long pieces, which is much cheaper than scanning it, and the ranges of the values that may differ come
/// out of the match.
///
/// An array of natural numbers may have any length in a matching text, and may be empty. An array that is empty in the
/// example is not variable.
package struct JSONTemplate: Sendable {
    /// A value that may be replaced by another one of its kind.
    private struct Slot: Sendable {
        enum Kind: UInt8 { case string, number, naturals }

        let kind: Kind
        /// The number of constant bytes before it.
        let distance: UInt16
        /// Its range in the text that was matched last.
        var start: UInt16
        var end: UInt16
    }

    /// Names one of the variable values.
    package struct Value: Hashable, Sendable {
        fileprivate let slot: UInt16
    }

    /// Names a part of every matching text. It neither begins nor ends within a variable value.
    package struct Stretch: Sendable {
        fileprivate let start: Place
        fileprivate let end: Place
    }

    /// Names a place in every matching text, by its distance from the end of a variable value or from the start of the
    /// text.
    struct Place: Sendable {
        fileprivate let slot: UInt16
        fileprivate let distance: UInt16
    }

    /// The first is not a value: it ends at the start of the text, so that a place before all values needs no rule of
    /// its own.
    private var slots = [Slot(kind: .number, distance: 0, start: 0, end: 0)]
    /// The constant bytes before, between and after the variable values.
    private var literals: [UInt8] = []

    /// The greatest length of a text in bytes. Each stream has a template, so an offset should take no more than two
    /// bytes.
    package static let largestText = Int(UInt16.max)
    /// Bounds the memory of a template, again because each stream has one.
    private static let mostSlots = 1024

    /// Makes a template of the example `text`; nil if it is longer than ``largestText`` or has more than 1024 variable
    /// values.
    ///
    /// - Parameter variable: The ranges of JSON values that may differ, in any order. In an object or array, each value
    ///   it contains may differ, but not the number of values or the names of members.
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
        guard slots.count <= 1 + Self.mostSlots else { return nil }
        addLiteral(upTo: text.count, of: text)
        // Release unused capacity, because each stream has a template.
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
        case .array where text.withUnsafeBufferPointer { Self.endOfNaturals($0, start) } == nil:
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
        let start = Int(slots[slots.count - 1].end)
        literals.append(copying: text, start..<end)
        return UInt16(end - start)
    }

    // MARK: Matching

    /// Returns whether `text` matches and its variable values are normalized (``JSONNormalizer``).
    ///
    /// After a match, ``range(of:)-(Value)`` and ``range(of:)-(Stretch)`` return ranges in `text`. After a failure they
    /// must not be used until a text matches.
    package mutating func matches(_ text: Span<UInt8>) -> Bool {
        text.count <= Self.largestText && text.withUnsafeBufferPointer { lengthOfMatch(in: $0) } == text.count
    }

    /// Returns the length of the part at the front of `text` that matches; nil if no such part of at most
    /// ``largestText`` bytes exists.
    mutating func lengthOfMatch(in text: UnsafeBufferPointer<UInt8>) -> Int? {
        let text = UnsafeBufferPointer(rebasing: text.prefix(Self.largestText))
        return literals.withUnsafeBufferPointer { literals in
            slots.withUnsafeMutableBufferPointer { slots in
                Self.lengthOfMatch(text, literals, UnsafeMutableBufferPointer(rebasing: slots.dropFirst()))
            }
        }
    }

    private static func lengthOfMatch(
        _ text: UnsafeBufferPointer<UInt8>, _ literals: UnsafeBufferPointer<UInt8>,
        _ slots: UnsafeMutableBufferPointer<Slot>
    ) -> Int? {
        guard let bytes = text.baseAddress, var literal = literals.baseAddress else { return nil }
        var left = literals.count
        var offset = 0
        var tokens = TokenScanner()
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
                offset = tokens.skipString(text, offset)
            case .number:
                guard text[offset] &- UInt8(ascii: "0") < 10 || text[offset] == UInt8(ascii: "-") else { return nil }
                offset = tokens.skipNumber(text, offset)
            case .naturals:
                offset = endOfNaturals(text, offset, mayBeEmpty: true) ?? TokenScanner.failure
            }
            if offset < 0 { return nil }
            slots[index].end = UInt16(truncatingIfNeeded: offset)
        }
        guard tokens.isNormal, text.count - offset >= left, memcmp(bytes + offset, literal, left) == 0 else {
            return nil
        }
        return offset + left
    }

    /// Returns the offset after the array of natural numbers that begins at `start`; nil if there is none.
    private static func endOfNaturals(
        _ text: UnsafeBufferPointer<UInt8>, _ start: Int, mayBeEmpty: Bool = false
    ) -> Int? {
        guard text[start] == UInt8(ascii: "[") else { return nil }
        var number = start + 1
        if mayBeEmpty, number < text.count, text[number] == UInt8(ascii: "]") { return number + 1 }
        let end = endOfNaturalNumbers(in: text, from: number)
        if end > number {
            if text[end] == UInt8(ascii: "]") { return end + 1 }
            // That scan stops a few bytes before the end of the text, or at an element that is not a natural number.
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

    /// Returns the variable value that begins at `offset` in the text that was matched last; nil if there is none.
    package func value(at offset: Int) -> Value? {
        let index = firstSlot { Int($0.start) >= offset }
        return index < slots.count && Int(slots[index].start) == offset ? Value(slot: UInt16(index)) : nil
    }

    /// Returns the range of a value in the text that was matched last.
    package func range(of value: Value) -> Range<Int> {
        let slot = slots[Int(value.slot)]
        return Int(slot.start)..<Int(slot.end)
    }

    /// Returns the stretch that has this range in the text that was matched last. The range must neither begin nor end
    /// within a variable value.
    package func stretch(in range: Range<Int>) -> Stretch {
        Stretch(start: place(at: range.lowerBound), end: place(at: range.upperBound))
    }

    /// Whether `range` of the text that was matched last begins or ends within a value, so that it is no stretch.
    package func cutsValue(_ range: Range<Int>) -> Bool {
        isWithinValue(range.lowerBound) || isWithinValue(range.upperBound)
    }

    private func isWithinValue(_ offset: Int) -> Bool {
        let index = firstSlot { Int($0.end) > offset }
        return index < slots.count && Int(slots[index].start) < offset
    }

    /// Returns the range of a stretch in the text that was matched last.
    package func range(of stretch: Stretch) -> Range<Int> { offset(of: stretch.start)..<offset(of: stretch.end) }

    func place(at offset: Int) -> Place {
        let slot = firstSlot { Int($0.end) > offset } - 1
        return Place(slot: UInt16(slot), distance: UInt16(offset - Int(slots[slot].end)))
    }

    /// Returns the index of the first slot for which `isMatch` is true, found by binary search; the number of slots if
    /// there is none. If `isMatch` is true for a slot, it is true for all later ones.
    private func firstSlot(where isMatch: (Slot) -> Bool) -> Int {
        var range = 1..<slots.endIndex
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            range = isMatch(slots[middle]) ? range.lowerBound..<middle : middle + 1..<range.upperBound
        }
        return range.lowerBound
    }

    func offset(of place: Place) -> Int {
        Int(place.distance) + Int(slots[Int(place.slot)].end)
    }
}
