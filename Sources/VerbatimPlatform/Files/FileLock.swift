/// An exclusive lock of a file.
///
/// `flock` gives the protection: its lock belongs to the open file and ends when that is closed. It does not name the
/// holder. A POSIX lock does, so one is taken as well, for this purpose only: it ends as soon as the process closes any
/// other descriptor of the file. Then the holder is unknown, but the file is still protected.
extension OpenFile {
    /// Locks the file without waiting. Returns false if another open file holds the lock.
    package func lock() throws(SystemError) -> Bool {
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            let error = SystemError.last
            if error == .wouldBlock { return false }
            if error != .wasInterrupted { throw error }
        }
        var request = Self.wholeFile
        _ = fcntl(descriptor, F_SETLK, &request)
        return true
    }

    /// The id of the other process that holds the lock; nil if it is unknown.
    package var lockHolder: Int32? {
        var request = Self.wholeFile
        guard fcntl(descriptor, F_GETLK, &request) == 0, request.l_type != Int16(F_UNLCK) else { return nil }
        // The id is 0 or negative for a process on another machine or in another PID namespace.
        return request.l_pid > 0 ? request.l_pid : nil
    }

    private static var wholeFile: flock {
        var request = flock()
        request.l_type = Int16(F_WRLCK)
        request.l_whence = Int16(SEEK_SET)
        return request
    }
}
