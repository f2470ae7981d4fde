#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The calls by which a trace is changed, so that tests can make them fail.
package struct TraceFileSystem: Sendable {
    /// Writes some of the bytes, at least one; answers how many.
    package var write: @Sendable (_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) throws(SystemError) -> Int
    package var truncate: @Sendable (_ descriptor: Int32, _ length: Int) throws(SystemError) -> Void
    /// Brings what was written to the disk.
    package var sync: @Sendable (_ descriptor: Int32) throws(SystemError) -> Void

    package init(
        write: @escaping @Sendable (Int32, UnsafeRawBufferPointer) throws(SystemError) -> Int,
        truncate: @escaping @Sendable (Int32, Int) throws(SystemError) -> Void,
        sync: @escaping @Sendable (Int32) throws(SystemError) -> Void
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
                #if canImport(Glibc)
                    let count = Glibc.write(descriptor, bytes.baseAddress, bytes.count)
                #elseif canImport(Musl)
                    let count = Musl.write(descriptor, bytes.baseAddress, bytes.count)
                #elseif canImport(Darwin)
                    let count = Darwin.write(descriptor, bytes.baseAddress, bytes.count)
                #endif
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
            #if canImport(Darwin)
                let result = fcntl(descriptor, F_FULLFSYNC)
            #else
                let result = fdatasync(descriptor)
            #endif
            if result != 0 { throw .last }
        }
    )
}
