package import NIOCore

/// What the connections of one event loop share. Used on that loop only.
package final class ServerLoop {
    package let eventLoop: any EventLoop
    package let clock: HTTPClock
    package let spareBuffer = SpareBuffer()
    package let receiveBuffers = ReceiveBuffers()
    private let activity: ActivityCount
    private var connections: [ObjectIdentifier: ServerConnection] = [:]
    package private(set) var isDraining = false

    init(eventLoop: any EventLoop, clock: HTTPClock, activity: ActivityCount) {
        self.eventLoop = eventLoop
        self.clock = clock
        self.activity = activity
    }

    /// Keeps the server's event loops alive until ``endWork()``, also if the connection that caused the work is gone.
    package func beginWork() { activity.increase() }

    package func endWork() { activity.decrease() }

    // MARK: Connections

    func add(_ connection: ServerConnection) {
        connections[ObjectIdentifier(connection)] = connection
        activity.increase()
        if isDraining { connection.drain() }
    }

    func remove(_ connection: ServerConnection) {
        connections[ObjectIdentifier(connection)] = nil
        activity.decrease()
    }

    // MARK: Stopping

    func drain() {
        isDraining = true
        for connection in connections.values { connection.drain() }
    }

    func cutOff() {
        for connection in connections.values { connection.cutOff() }
    }

    func closeAll() {
        for connection in connections.values { connection.closeNow() }
    }
}
