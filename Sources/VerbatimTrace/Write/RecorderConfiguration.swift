extension TraceRecorder {
    package struct Configuration: Sendable {
        /// When a record counts as persisted.
        package enum Sync: String, CaseIterable, Sendable {
            /// When it has been handed to the kernel. It survives the end of this process.
            case write
            /// When it is on the disk. It survives a power failure.
            case disk
        }

        package var path: String
        package var sync = Sync.write
        /// What the token lists of a record hold whose capture is incomplete.
        package var incompleteLists = IncompleteLists.keep
        /// The size of all waiting records, in bytes, above which no turn may start.
        package var maximumPendingBytes = 256 << 20
        /// The number of sessions above which no turn of a new session may start: the last turn of each is in memory.
        package var maximumSessions = 1_000_000
        /// The delay between a failed write and the next attempt.
        package var retryInterval = Duration.seconds(1)
        /// How often the recorder checks that the file is still at its path. Every write checks it, too.
        package var watchInterval = Duration.milliseconds(800)

        package init(path: String) {
            self.path = path
        }
    }
}
