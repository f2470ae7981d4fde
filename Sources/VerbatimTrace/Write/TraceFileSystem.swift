package import VerbatimPlatform

/// The calls by which a trace is changed, so that tests can make them fail.
package struct TraceFileSystem: Sendable {
    /// By a name of its own: the compiler does not count an error type after `throws` as a use of the package import.
    package typealias Failure = SystemError

    /// Writes some of the bytes, at least one; answers how many.
    package var write: @Sendable (_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) throws(Failure) -> Int
    package var truncate: @Sendable (_ descriptor: Int32, _ length: Int) throws(Failure) -> Void
    /// Brings what was written to the disk.
    package var sync: @Sendable (_ descriptor: Int32) throws(Failure) -> Void

    package init(
        write: @escaping @Sendable (Int32, UnsafeRawBufferPointer) throws(Failure) -> Int,
        truncate: @escaping @Sendable (Int32, Int) throws(Failure) -> Void,
        sync: @escaping @Sendable (Int32) throws(Failure) -> Void
    ) {
        self.write = write
        self.truncate = truncate
        self.sync = sync
    }

    /// How long a reader of a FIFO or terminal may leave it full before a write fails.
    private static let patience: Int32 = 1000

    package static let system = TraceFileSystem(
        write: { (descriptor, bytes) throws(SystemError) in
            while true {
                let count = CLibrary.write(descriptor, bytes.baseAddress, bytes.count)
                if count >= 0 { return count }
                let error = SystemError.last
                if error == .wasInterrupted { continue }
                var readiness = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                guard error == .mayTryAgain, poll(&readiness, 1, patience) == 1 else { throw error }
            }
        },
        truncate: { (descriptor, length) throws(SystemError) in
            while ftruncate(descriptor, off_t(length)) != 0 {
                let error = SystemError.last
                if error != .wasInterrupted { throw error }
            }
        },
        sync: { (descriptor) throws(SystemError) in
            if CLibrary.syncData(descriptor) != 0 { throw .last }
        }
    )
}
