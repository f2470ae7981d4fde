/// An error number of the operating system.
package struct SystemError: Error, Hashable, Sendable {
    package let code: Int32

    package init(_ code: Int32) {
        self.code = code
    }

    /// The error of the call that has just failed.
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

    /// A device is where a file should be.
    package static let isDevice = SystemError(ENODEV)
    /// Nobody has opened the FIFO for writing.
    package static let hasNoWriter = SystemError(ENXIO)
    /// The file system is full.
    package static let noSpace = SystemError(ENOSPC)
}

extension SystemError: CustomStringConvertible {
    package var description: String { String(cString: strerror(code)) }
}
