/// An operation of the core whose cost is measured.
package struct BenchmarkCase: Sendable {
    /// The operation with its input.
    package struct Work {
        /// The number of bytes that one operation reads.
        package let bytes: Int
        /// Does the operation the given number of times and returns how many bytes it produced.
        package let run: (Int) -> Int
    }

    /// The family and the variant: `stream/512 tokens`.
    package let name: String
    /// The number of events that one operation reads; 0 if it does not read a stream.
    package let events: Int
    /// How often the operation is done when instructions are counted, which is slow.
    package let repetitions: Int
    package let prepare: @Sendable () -> Work

    init(_ name: String, events: Int = 0, repetitions: Int = 1, prepare: @escaping @Sendable () -> Work) {
        self.name = name
        self.events = events
        self.repetitions = repetitions
        self.prepare = prepare
    }

    /// The part of the name before the slash.
    package var family: Substring { name.prefix { $0 != "/" } }

    /// Every case. The first case of a family is a small one, and it also does everything that a process does only
    /// once.
    package static let all: [BenchmarkCase] = requests + events + streams + replies + records

    package static func named(_ name: String) -> BenchmarkCase? { all.first { $0.name == name } }
}
