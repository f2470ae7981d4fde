/// A file that one process has for itself.
///
/// `flock` protects it: that lock is the opening's, and goes when it is closed. But it does not say whose it is. A POSIX
/// lock does, and so one is taken beside it, for that alone: it protects nothing, because it goes as soon as the process
/// closes any other opening of the file. Then the holder is unknown, and still refused is whoever comes second.
extension OpenFile {
    /// Takes the file for this process alone; false if another opening of it has been given that.
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

    /// The id of the process that has the file for itself, if it is another one and known.
    package var lockHolder: Int32? {
        var request = Self.wholeFile
        guard fcntl(descriptor, F_GETLK, &request) == 0, request.l_type != Int16(F_UNLCK) else { return nil }
        // Of a process on another machine, or in another name space, there is no id that would mean anything here.
        return request.l_pid > 0 ? request.l_pid : nil
    }

    private static var wholeFile: flock {
        var request = flock()
        request.l_type = Int16(F_WRLCK)
        request.l_whence = Int16(SEEK_SET)
        return request
    }
}
