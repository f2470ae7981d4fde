import CMalloc
import VerbatimPlatform

/// How much freed memory the process keeps for the next turn.
///
/// Replies that are read whole, and records, are of some megabyte, come together and go together. By itself glibc gives each
/// back to the system at once, and what is taken again comes a page fault at a time: with replies of 1.1 MB a third of all
/// CPU time. It does learn that from the largest block that was ever freed, but then keeps up to 64 MB per thread.
enum MemoryTuning {
    /// Larger blocks are of the system's own and go back to it.
    private static let largestKept: Int32 = 4 << 20
    /// What is free beyond it, of one thread's memory, goes back.
    private static let mostKept: Int32 = 16 << 20

    /// Does nothing where glibc is told otherwise by the environment, or where there is none.
    static func apply() {
        #if canImport(Glibc)
            let variables = ["GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_"]
            guard variables.allSatisfy({ getenv($0) == nil }) else { return }
            _ = mallopt(M_MMAP_THRESHOLD, largestKept)
            _ = mallopt(M_TRIM_THRESHOLD, mostKept)
        #endif
    }
}
