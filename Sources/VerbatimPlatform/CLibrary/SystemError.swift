/// An error of the operating system: its `errno`.
package struct SystemError: Error, Hashable, Sendable {
    package let code: Int32

    package init(_ code: Int32) {
        self.code = code
    }

    /// The error of the call that failed last on this thread.
    package static var last: SystemError { SystemError(errno) }

    package static let doesNotExist = SystemError(ENOENT)
    package static let exists = SystemError(EEXIST)
    package static let isDirectory = SystemError(EISDIR)
    package static let isNotDirectory = SystemError(ENOTDIR)
    package static let isDenied = SystemError(EACCES)
    package static let wasInterrupted = SystemError(EINTR)
    package static let wouldBlock = SystemError(EWOULDBLOCK)
    package static let mayTryAgain = SystemError(EAGAIN)
    package static let isTooLong = SystemError(ENAMETOOLONG)

    /// The file is a device.
    package static let isDevice = SystemError(ENODEV)
    /// No process has the FIFO open for writing.
    package static let hasNoWriter = SystemError(ENXIO)
    /// The file system is full.
    package static let noSpace = SystemError(ENOSPC)
}

extension SystemError: CustomStringConvertible {
    package var description: String { String(cString: strerror(code)) }
}

extension SystemError {
    /// Whether the error is one of a single file's: others in its folder can probably be written.
    package var concernsOneFile: Bool {
        switch code {
        case EISDIR, ENOTDIR, EACCES, EPERM, ELOOP, EEXIST, EFBIG, ETXTBSY, ENAMETOOLONG, ENXIO, ENODEV, ENOENT: true
        default: false
        }
    }
}
