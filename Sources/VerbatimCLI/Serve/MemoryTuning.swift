import CMalloc
import VerbatimPlatform

/// How much freed memory the process keeps for later turns.
///
/// Whole replies and records can be a megabyte each, and are allocated and freed all the time. By default glibc returns
/// such blocks to the system at once and pays page faults to get them again: a third of all CPU time with replies of
/// 1.1 MB. It raises its threshold after the first large block is freed, but then keeps up to 64 MB per thread.
enum MemoryTuning {
    /// Blocks larger than this come from the system directly, and are returned to it when freed.
    private static let largestKept: Int32 = 4 << 20
    /// Free memory beyond this at the top of a thread's heap is returned to the system.
    private static let mostKept: Int32 = 16 << 20

    /// Does nothing without glibc, or if the environment tunes it.
    static func apply() {
        #if canImport(Glibc)
            let variables = ["GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_"]
            guard variables.allSatisfy({ getenv($0) == nil }) else { return }
            _ = mallopt(M_MMAP_THRESHOLD, largestKept)
            _ = mallopt(M_TRIM_THRESHOLD, mostKept)
        #endif
    }
}
