import VerbatimPlatform

/// A port where connections are never established: its queue is full, and nothing is accepted.
final class UnansweringPort: Sendable {
    struct Failed: Error {}

    let port: Int
    private let descriptors: [Int32]

    var url: String { "http://127.0.0.1:\(port)" }

    init() throws {
        let listener = socket(AF_INET, CLibrary.streamSocket, 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let size = length
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && listen(listener, 0) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard isListening else { throw Failed() }
        port = Int(UInt16(bigEndian: address.sin_port))
        // One connection fits in the queue; the others wait forever.
        var descriptors = [listener]
        for _ in 0..<3 {
            let descriptor = socket(AF_INET, CLibrary.streamSocket, 0)
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = connect(descriptor, $0, size) }
            }
            descriptors.append(descriptor)
        }
        self.descriptors = descriptors
    }

    deinit { for descriptor in descriptors { close(descriptor) } }
}
