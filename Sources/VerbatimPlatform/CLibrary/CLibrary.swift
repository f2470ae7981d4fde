#if canImport(Glibc)
    @_exported public import Glibc
#elseif canImport(Musl)
    @_exported public import Musl
#elseif canImport(Darwin)
    @_exported public import Darwin
#endif

/// The C functions whose names also belong to members of Swift types, and those that differ between systems.
///
/// `import VerbatimPlatform` gives a file the whole C library of its system.
package enum CLibrary {
    package static func read(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
        callRead(descriptor, buffer, count)
    }

    package static func write(_ descriptor: Int32, _ buffer: UnsafeRawPointer?, _ count: Int) -> Int {
        callWrite(descriptor, buffer, count)
    }

    package static func exit(_ code: Int32) -> Never { callExit(code) }

    /// Brings a file's data to the disk.
    package static func syncData(_ descriptor: Int32) -> Int32 {
        #if canImport(Darwin)
            fcntl(descriptor, F_FULLFSYNC)
        #else
            fdatasync(descriptor)
        #endif
    }

    /// `SOCK_STREAM` as `socket` takes it.
    package static var streamSocket: Int32 {
        #if canImport(Glibc)
            Int32(SOCK_STREAM.rawValue)
        #else
            SOCK_STREAM
        #endif
    }
}

// Outside of the type, whose members would hide the C functions.
private func callRead(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    read(descriptor, buffer, count)
}

private func callWrite(_ descriptor: Int32, _ buffer: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, buffer, count)
}

private func callExit(_ code: Int32) -> Never { exit(code) }
