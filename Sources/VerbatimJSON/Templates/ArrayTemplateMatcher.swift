/// The elements of a long list of objects, as far as they have the form of an earlier one: the entries of log-probabilities.
///
/// Such an element is not walked through. What opens in it is told from what opened in the earlier one.
struct ArrayTemplateMatcher {
    /// A form is taken only if so many elements of the same length may follow: it costs more than one of them saves.
    private static let fewest = 16
    /// Of shorter elements a match saves little.
    private static let smallest = 128
    /// In a document.
    private static let mostForms = 8
    /// After so many elements in a row that have another form, theirs is taken.
    private static let fewMisses = 2
    /// After so many, no more of the list are tried.
    private static let mostMisses = 8

    /// A container of an element of the form.
    private struct Part {
        let end: JSONTemplate.Place
        /// How many containers there are up to it and within it.
        let next: Int32
    }

    private var form: JSONTemplate?
    private var parts: [Part] = []
    /// The place of the list whose elements have the form.
    private var list: Int32 = -1
    private var forms = 0
    private var misses = 0

    private var isOfUse: Bool { form != nil && misses < Self.mostMisses }

    /// Passes over the elements behind `element` that have the form of it or of an earlier one.
    ///
    /// - Parameters:
    ///   - element: An object that has been walked through, and behind it a comma and another.
    ///   - container: The object's place among the `containers`.
    ///   - list: The place of the list that it is in.
    ///   - count: How many containers there are. Those of the elements that are passed are added.
    /// - Returns: The offset behind the last of them, or behind `element`. They are JSON; if they need to be normalized, so does what
    ///   has been walked through.
    mutating func pass(
        behind element: Range<Int>, at container: Int, of list: Int32, in text: UnsafeBufferPointer<UInt8>,
        _ containers: UnsafeMutableBufferPointer<JSONOutline.Container>, _ count: inout Int
    ) -> Int {
        if list != self.list {
            // Lists within the elements of another come and go; its elements are larger.
            let isWithinAnother = isOfUse && self.list >= 0 && containers[Int(self.list)].isOpenArray
            guard !isWithinAnother, isWorthAForm(element, in: text) else { return element.upperBound }
            self.list = list
            take(element, at: container, in: text, containers[container..<count])
        } else if misses == Self.fewMisses, isWorthAForm(element, in: text) {
            take(element, at: container, in: text, containers[container..<count])
        }
        guard isOfUse else { return element.upperBound }
        var end = element.upperBound
        while end + 1 < text.count, text[end] == UInt8(ascii: ","), text[end + 1] == UInt8(ascii: "{"),
            containers.count - count >= parts.count
        {
            let start = end + 1
            guard let length = form?.lengthOfMatch(in: UnsafeBufferPointer(rebasing: text[start...])) else { break }
            add(at: start, containers, &count)
            end = start + length
        }
        misses = end == element.upperBound ? misses + 1 : 0
        return end
    }

    private func isWorthAForm(_ element: Range<Int>, in text: UnsafeBufferPointer<UInt8>) -> Bool {
        forms < Self.mostForms && element.count >= Self.smallest
            && text.count - element.upperBound >= Self.fewest * element.count
    }

    private mutating func take(
        _ element: Range<Int>, at container: Int, in text: UnsafeBufferPointer<UInt8>,
        _ containers: Slice<UnsafeMutableBufferPointer<JSONOutline.Container>>
    ) {
        forms += 1
        misses = 0
        form = JSONTemplate(of: text.span.extracting(element), variable: [0..<element.count])
        guard let form else { return }
        parts = containers.map {
            Part(
                end: form.place(at: Int($0.end) - element.lowerBound),
                next: $0.next - Int32(truncatingIfNeeded: container))
        }
    }

    /// Adds the containers of the element at `start` that was matched last.
    private func add(
        at start: Int, _ containers: UnsafeMutableBufferPointer<JSONOutline.Container>, _ count: inout Int
    ) {
        guard let form else { return }
        let first = count
        for part in parts {
            containers[count] = JSONOutline.Container(
                end: Int32(truncatingIfNeeded: start + form.offset(of: part.end)),
                next: Int32(truncatingIfNeeded: first) + part.next)
            count += 1
        }
    }
}
