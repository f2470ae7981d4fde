import Dispatch
import NIOCore
import NIOHTTP1
import VerbatimHTTP
import VerbatimSessions

/// Reads turns of a rollout, and waits for the next turn if all have been read. Used on its event loop only.
final class TurnsPoll {
    private let query: TurnsQuery
    private let tag: String?
    private let store: SessionStore
    private let loop: ServerLoop
    private var whenDone: (@Sendable (AdminResponse) -> Void)?
    private var deadline: NIODeadline
    private var timer: HTTPClock.Timer?
    private var isReading = false
    /// Something has changed since the last reading began.
    private var hasNews = false

    /// - Parameters:
    ///   - tag: The `If-None-Match` of the request.
    ///   - whenDone: Called once.
    init(
        _ query: TurnsQuery, matching tag: String?, store: SessionStore, loop: ServerLoop,
        whenDone: @escaping @Sendable (AdminResponse) -> Void
    ) {
        self.query = query
        self.tag = tag
        self.store = store
        self.loop = loop
        self.whenDone = whenDone
        deadline = loop.clock.now
    }

    func start() {
        deadline = loop.clock.now + .nanoseconds(Int64(query.wait * 1e9))
        read()
    }

    /// Responds with what there is.
    func stop() {
        deadline = loop.clock.now
        if !isReading { read() }
    }

    private func read() {
        guard whenDone != nil, !isReading else { return }
        isReading = true
        hasNews = false
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        // Before the reading, so that no change is missed.
        store.watch(query.rollout) {
            bound.eventLoop.execute { bound.value.changed() }
        }
        store.turns(query.rollout) { [query] path throws(SessionsError) in
            try TurnsPage(of: query, in: path)
        } whenDone: { result in
            bound.eventLoop.execute { bound.value.finish(result) }
        }
    }

    private func changed() {
        hasNews = true
        if !isReading { read() }
    }

    private func finish(_ result: Result<(Rollout, TurnsPage), SessionsError>) {
        isReading = false
        switch result {
        case .failure(let error): report(AdminResponse(ErrorResponse(error)))
        case .success((let rollout, let page)):
            let mayGrow = rollout.snapshot == nil
            if page.lines.isEmpty, mayGrow, loop.clock.now < deadline {
                if hasNews { return read() }
                if timer == nil {
                    timer = loop.clock.schedule(at: deadline, on: loop.eventLoop) { [weak self] in self?.stop() }
                }
                return
            }
            report(response(page, of: rollout))
        }
    }

    private func response(_ page: TurnsPage, of rollout: Rollout) -> AdminResponse {
        let tag = "\"\(page.next)-\(rollout.stateName)\""
        let isKnown = page.lines.isEmpty && self.tag == tag
        var response = AdminResponse(
            isKnown ? .notModified : .ok, body: isKnown ? [] : page.lines, contentType: "application/x-ndjson")
        response.headers = [
            "ETag": tag, "Verbatim-Next": String(page.next), "Verbatim-State": rollout.stateName,
        ]
        return response
    }

    private func report(_ response: AdminResponse) {
        timer?.cancel()
        whenDone?(response)
        whenDone = nil
    }
}
