#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file that is closed when it goes out of scope.
package struct OpenFile: ~Copyable, Sendable {
    let descriptor: Int32

    package enum Access {
        case reading
        /// Reading anywhere, writing at the end.
        case appending
        /// As `appending`, to a file that must not exist yet; it gets the mode 0600.
        case creating
    }

    /// What the file system says about a file.
    package struct Status: Hashable, Sendable {
        package enum Kind: Hashable, Sendable {
            case regular, directory, characterDevice
            /// FIFOs, sockets and whatever else there may be.
            case other
        }

        package let kind: Kind
        package let size: Int
        /// Whether somebody else than its owner may read or change it.
        package let isOpenToOthers: Bool
        let device: UInt64
        let inode: UInt64
        /// When it was changed last, in nanoseconds.
        let modification: Int

        /// Whether both are of one file, its size aside.
        package func isSameFile(as other: Status) -> Bool {
            device == other.device && inode == other.inode
        }
    }

    /// Opening for appending never waits, not even for the other end of a FIFO: that is opened for both reading and
    /// writing, so that it needs no other end. Opening a FIFO for reading waits for its writer.
    package init(_ path: String, for access: Access) throws(SystemError) {
        if path.isEmpty || path.utf8.contains(0) { throw .doesNotExist }
        let flags =
            switch access {
            case .reading: O_RDONLY
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

    /// What stands at `path` now; `nil` if nothing does.
    package static func status(at path: String) -> Status? {
        var status = stat()
        return stat(path, &status) == 0 ? Status(status) : nil
    }

    /// Appends up to `count` of the file's bytes from `offset` on to `buffer`; answers how many there were.
    ///
    /// Of what has no offsets (a FIFO), whatever comes next.
    package func read(upTo count: Int, at offset: Int, into buffer: inout [UInt8]) throws(SystemError) -> Int {
        var failure: SystemError?
        let chunk = [UInt8](unsafeUninitializedCapacity: count) { bytes, initialized in
            var result: Int
            repeat {
                result = pread(descriptor, bytes.baseAddress, count, off_t(offset))
                if result < 0, errno == ESPIPE { result = Self.readNext(descriptor, bytes.baseAddress, count) }
            } while result < 0 && SystemError.last == .wasInterrupted
            if result < 0 { failure = .last }
            initialized = max(result, 0)
        }
        if let failure { throw failure }
        buffer.append(contentsOf: chunk)
        return chunk.count
    }

    private static func readNext(_ descriptor: Int32, _ target: UnsafeMutableRawPointer?, _ count: Int) -> Int {
        #if canImport(Glibc)
            Glibc.read(descriptor, target, count)
        #elseif canImport(Musl)
            Musl.read(descriptor, target, count)
        #elseif canImport(Darwin)
            Darwin.read(descriptor, target, count)
        #endif
    }

    /// Takes the file for this process alone; false if another opening of it has been given that.
    func lock() throws(SystemError) -> Bool {
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            let error = SystemError.last
            if error == .wouldBlock { return false }
            if error != .wasInterrupted { throw error }
        }
        return true
    }
}

extension OpenFile.Status {
    fileprivate init(_ status: stat) {
        let kind: Kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .regular
            case S_IFDIR: .directory
            case S_IFCHR: .characterDevice
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
            modification: Int(modification.tv_sec) &* 1_000_000_000 &+ Int(modification.tv_nsec)
        )
    }
}

/// Makes the folders that `path` stands in, as far as they do not exist.
func makeParentFolders(of path: String) throws(SystemError) {
    let bytes = Array(path.utf8)
    for end in bytes.indices.dropFirst() where bytes[end] == UInt8(ascii: "/") {
        let folder = String(decoding: bytes[..<end], as: UTF8.self)
        if mkdir(folder, 0o777) != 0 {
            let error = SystemError.last
            if OpenFile.status(at: folder)?.kind != .directory { throw error }
        }
    }
}

/// Makes the entry of a new file last: the folder `path` stands in is brought to the disk.
func syncFolder(of path: String) {
    let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    guard let file = try? OpenFile(folder, for: .reading) else { return }
    _ = fsync(file.descriptor)
}

/// Removes a file that was made by mistake.
func removeFile(at path: String) {
    unlink(path)
}
