/// Skips array elements that match the template of an earlier element, without scanning them token by token.
///
/// It serves long arrays of objects of one shape, such as the log-probabilities of a whole reply. The containers of a
/// skipped element are derived from those of the element of which the template was made.
struct ArrayTemplateMatcher {
    /// A template is made only if so many more elements of the same length fit in the text, because making one costs
    /// more than one match saves.
    private static let minimumFollowing = 16
    /// The least length of an element in bytes. For shorter elements a match saves little.
    private static let minimumLength = 128
    /// The most templates made for a document.
    private static let maximumTemplates = 8
    /// After so many consecutive elements that do not match, a new template is made.
    private static let missesBeforeRenewal = 2
    /// After so many consecutive elements that do not match, matching ends for the array.
    private static let maximumMisses = 8

    /// A container of an element that matches the template.
    private struct Part {
        let end: JSONTemplate.Place
        /// ``JSONContainer/next`` relative to the index of the element.
        let next: Int32
    }

    private var template: JSONTemplate?
    private var parts: [Part] = []
    /// The index of the array whose elements are matched, or -1.
    private var array: Int32 = -1
    private var templateCount = 0
    private var misses = 0

    private var isMatching: Bool { template != nil && misses < Self.maximumMisses }

    /// Skips the elements after `element` that match its template or the template of an earlier element.
    ///
    /// - Parameters:
    ///   - element: An object that has been scanned. A comma and another object follow it.
    ///   - container: The index of the object among the `containers`.
    ///   - array: The index of the array to which it belongs.
    ///   - count: The number of containers. It grows by those of the skipped elements.
    /// - Returns: The offset after the last skipped element, or after `element`. Skipped elements are valid JSON, and
    ///   they are normalized if the template's example is.
    mutating func skip(
        after element: Range<Int>, at container: Int, of array: Int32, in text: UnsafeBufferPointer<UInt8>,
        _ containers: UnsafeMutableBufferPointer<JSONContainer>, _ count: inout Int
    ) -> Int {
        if array != self.array {
            // Do not switch to an array inside an element of the current one: such arrays are many, and their elements
            // are smaller.
            let isWithinElement = isMatching && self.array >= 0 && containers[Int(self.array)].isOpenArray
            guard !isWithinElement, isWorthATemplate(element, in: text) else { return element.upperBound }
            self.array = array
            makeTemplate(of: element, at: container, in: text, containers[container..<count])
        } else if misses == Self.missesBeforeRenewal, isWorthATemplate(element, in: text) {
            makeTemplate(of: element, at: container, in: text, containers[container..<count])
        }
        guard isMatching else { return element.upperBound }
        var end = element.upperBound
        while end + 1 < text.count, text[end] == UInt8(ascii: ","), text[end + 1] == UInt8(ascii: "{"),
            containers.count - count >= parts.count
        {
            let start = end + 1
            guard let length = template?.lengthOfMatch(in: UnsafeBufferPointer(rebasing: text[start...])) else { break }
            addContainers(ofElementAt: start, containers, &count)
            end = start + length
        }
        misses = end == element.upperBound ? misses + 1 : 0
        return end
    }

    private func isWorthATemplate(_ element: Range<Int>, in text: UnsafeBufferPointer<UInt8>) -> Bool {
        templateCount < Self.maximumTemplates && element.count >= Self.minimumLength
            && text.count - element.upperBound >= Self.minimumFollowing * element.count
    }

    private mutating func makeTemplate(
        of element: Range<Int>, at container: Int, in text: UnsafeBufferPointer<UInt8>,
        _ containers: Slice<UnsafeMutableBufferPointer<JSONContainer>>
    ) {
        templateCount += 1
        misses = 0
        template = JSONTemplate(of: text.span.extracting(element), variable: [0..<element.count])
        guard let template else { return }
        parts = containers.map {
            Part(
                end: template.place(at: Int($0.end) - element.lowerBound),
                next: $0.next - Int32(truncatingIfNeeded: container))
        }
    }

    /// Adds the containers of the element at `start`, which was matched last.
    private func addContainers(
        ofElementAt start: Int, _ containers: UnsafeMutableBufferPointer<JSONContainer>, _ count: inout Int
    ) {
        guard let template else { return }
        let first = count
        for part in parts {
            containers[count] = JSONContainer(
                end: Int32(truncatingIfNeeded: start + template.offset(of: part.end)),
                next: Int32(truncatingIfNeeded: first) + part.next)
            count += 1
        }
    }
}
