/// An open file, closed when it goes out of scope.
package struct OpenFile: ~Copyable, Sendable {
    package let descriptor: Int32

    package enum Access {
        case reading
        /// Reading at any offset, writing at the end.
        case appending
        /// As `appending`, for a new file with the mode 0600. Fails if the file exists.
        case creating
    }

    /// The metadata of a file.
    package struct Status: Hashable, Sendable {
        package enum Kind: Hashable, Sendable {
            case regular, directory, characterDevice, fifo
            /// A socket, for example.
            case other
        }

        package let kind: Kind
        package let size: Int
        /// Whether other users than the owner may read or change the file.
        package let isOpenToOthers: Bool
        private let device: UInt64
        private let inode: UInt64
        /// The time of the last change, in nanoseconds. Compared, but not read.
        private let modification: Int
        /// The number of hard links; 0 once the file is deleted.
        package let links: Int

        /// Whether both describe the same file. Its size may differ.
        package func isSameFile(as other: Status) -> Bool {
            device == other.device && inode == other.inode
        }
    }

    /// Opens the file without waiting, not even for the other end of a FIFO. `appending` opens a FIFO for reading and
    /// writing, so that it needs no other end.
    package init(_ path: String, for access: Access) throws(SystemError) {
        if path.isEmpty || path.utf8.contains(0) { throw .doesNotExist }
        let flags =
            switch access {
            case .reading: O_RDONLY | O_NONBLOCK
            case .appending: O_RDWR | O_APPEND | O_NONBLOCK
            case .creating: O_RDWR | O_APPEND | O_NONBLOCK | O_CREAT | O_EXCL
            }
        var descriptor: Int32
        repeat {
            descriptor = open(path, flags | O_CLOEXEC | O_NOCTTY, 0o600)
        } while descriptor < 0 && SystemError.last == .wasInterrupted
        if descriptor < 0 { throw .last }
        self.descriptor = descriptor
        if access == .creating { _ = fchmod(descriptor, 0o600) }
    }

    deinit {
        close(descriptor)
    }

    package func status() throws(SystemError) -> Status {
        var status = stat()
        if fstat(descriptor, &status) != 0 { throw .last }
        return Status(status)
    }

    /// The status of the file at `path`; nil if there is none, or it cannot be accessed.
    package static func status(at path: String) -> Status? { try? find(path) }

    /// The status of the file at `path`.
    package static func find(_ path: String) throws(SystemError) -> Status {
        var status = stat()
        if stat(path, &status) != 0 { throw .last }
        return Status(status)
    }

    /// Appends up to `count` bytes from `offset` to `buffer`. Returns how many were read: 0 at the end of the file.
    ///
    /// A file without offsets (a FIFO) is read from its current position, and waits for bytes.
    package func read(upTo count: Int, at offset: Int, into buffer: inout [UInt8]) throws(SystemError) -> Int {
        var failure: SystemError?
        let chunk = [UInt8](unsafeUninitializedCapacity: count) { bytes, initialized in
            var result: Int
            repeat {
                result = pread(descriptor, bytes.baseAddress, count, off_t(offset))
                if result < 0, errno == ESPIPE { result = CLibrary.read(descriptor, bytes.baseAddress, count) }
                if result < 0, errno == EAGAIN, waitForBytes(milliseconds: -1) { errno = EINTR }
            } while result < 0 && SystemError.last == .wasInterrupted
            if result < 0 { failure = .last }
            initialized = max(result, 0)
        }
        if let failure { throw failure }
        buffer.append(contentsOf: chunk)
        return chunk.count
    }

    /// Waits until bytes can be read or the end is reached. Returns false if the time has passed.
    package func waitForBytes(milliseconds: Int32) -> Bool {
        var readiness = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        var result: Int32
        repeat {
            result = poll(&readiness, 1, milliseconds)
        } while result < 0 && SystemError.last == .wasInterrupted
        return result > 0
    }
}

extension OpenFile.Status {
    fileprivate init(_ status: stat) {
        let kind: Kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .regular
            case S_IFDIR: .directory
            case S_IFCHR: .characterDevice
            case S_IFIFO: .fifo
            default: .other
            }
        #if canImport(Darwin)
            let modification = status.st_mtimespec
        #else
            let modification = status.st_mtim
        #endif
        self.init(
            kind: kind,
            size: Int(status.st_size),
            isOpenToOthers: status.st_mode & 0o077 != 0,
            device: UInt64(truncatingIfNeeded: status.st_dev),
            inode: UInt64(truncatingIfNeeded: status.st_ino),
            modification: Int(modification.tv_sec) &* 1_000_000_000 &+ Int(modification.tv_nsec),
            links: Int(status.st_nlink)
        )
    }
}
