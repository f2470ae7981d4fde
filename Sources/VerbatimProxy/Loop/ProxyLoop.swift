import NIOCore
import VerbatimHTTP
import VerbatimTrace

/// What the exchanges of one event loop share. Used on that loop only.
final class ProxyLoop {
    let server: ServerLoop
    let context: ProxyContext
    let pool: UpstreamPool
    /// Records that the recorder has not been given yet.
    private var submissions: [RecordSubmission] = []

    init(server: ServerLoop, context: ProxyContext) {
        self.server = server
        self.context = context
        pool = UpstreamPool(
            context.upstream, clock: server.clock, on: server.eventLoop, receiveBuffers: server.receiveBuffers)
    }

    var eventLoop: any EventLoop { server.eventLoop }
    var clock: HTTPClock { server.clock }
    var settings: ProxySettings { context.settings }
    var capabilities: CapabilityCache { context.capabilities }
    var recorder: (any RecordSink)? { context.recorder }
    var log: TurnLog { context.log }

    /// Hands a record to the recorder, together with those of the other turns that end in the same turn of the event
    /// loop: waking a thread costs more than writing a record.
    ///
    /// The event loop must stay alive until ``recordPersisted()``, even if the record's agent is gone.
    func persist(_ submission: RecordSubmission) {
        server.beginWork()
        submissions.append(submission)
        if submissions.count > 1 { return }
        eventLoop.assumeIsolated().execute { [self] in
            let submissions = submissions
            self.submissions.removeAll(keepingCapacity: true)
            recorder?.record(submissions)
        }
    }

    func recordPersisted() { server.endWork() }
}
