package import VerbatimPlatform

/// The system calls that change a trace. Tests replace them by failing ones.
package struct TraceFileSystem: Sendable {
    /// The compiler does not count an error type after `throws` as a use of a package import, but counts this alias.
    package typealias Failure = SystemError

    /// Writes at least one of the bytes. Returns how many were written.
    package var write: @Sendable (_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) throws(Failure) -> Int
    package var truncate: @Sendable (_ descriptor: Int32, _ length: Int) throws(Failure) -> Void
    /// Brings written data to the disk.
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

    /// The time in milliseconds after which a write to a full FIFO or terminal fails.
    private static let maximumWait: Int32 = 1000

    package static let system = TraceFileSystem(
        write: { (descriptor, bytes) throws(SystemError) in
            while true {
                let count = CLibrary.write(descriptor, bytes.baseAddress, bytes.count)
                if count >= 0 { return count }
                let error = SystemError.last
                if error == .wasInterrupted { continue }
                var readiness = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                guard error == .mayTryAgain, poll(&readiness, 1, maximumWait) == 1 else { throw error }
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
