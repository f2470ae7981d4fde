/// An object or array of a document. A document's containers are listed in the order in which they open.
struct JSONContainer: Sendable {
    /// The offset after the closing bracket. While the container is open: the index of the enclosing container, or -1.
    var end: Int32
    /// The index of the first container that opens after this one has closed. While the container is open: 0 for an
    /// array; for an object the bitwise complement of its offset, which is negative.
    var next: Int32

    var isOpenArray: Bool { next == 0 }
    var isOpenObject: Bool { next < 0 }
}
