/// An operation of the core whose cost is measured.
package struct CoreCase: Sendable {
    /// An operation with all that it needs.
    package struct Work {
        /// How many bytes one operation reads.
        package let bytes: Int
        /// Does it so many times, and answers how many bytes came of it.
        package let run: (Int) -> Int
    }

    /// `what it is about/what of it`
    package let name: String
    /// How many events of a stream one operation reads; 0 if it reads no stream.
    package let events: Int
    /// How often to do it where instructions are counted, which is slow.
    package let repetitions: Int
    package let prepare: @Sendable () -> Work

    init(_ name: String, events: Int = 0, repetitions: Int = 1, prepare: @escaping @Sendable () -> Work) {
        self.name = name
        self.events = events
        self.repetitions = repetitions
        self.prepare = prepare
    }

    /// What the case is about.
    package var family: Substring { name.prefix { $0 != "/" } }

    /// Every case. The first of a family is a small one, and does everything that a process does only once.
    package static let all: [CoreCase] = requests + events + streams + replies + records

    package static func named(_ name: String) -> CoreCase? { all.first { $0.name == name } }
}
