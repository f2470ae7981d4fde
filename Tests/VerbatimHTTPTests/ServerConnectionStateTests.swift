import NIOCore
import NIOHTTP1
import Testing

@testable import VerbatimHTTP

/// Every event in every phase, without sockets and on a clock that the test sets.
@Suite("Server connection, state by state")
struct ServerConnectionStateTests {
    /// A way into each phase.
    enum Start: CaseIterable, Sendable {
        case idle, reading, responding, respondingBeforeAnother, closing, draining, closed
    }

    enum Event: CaseIterable, Sendable {
        case head, end, readCompleted, inputClosed, requestFailed, connectionFailed, channelClosed, finished,
            finishedLast, aborted, headTimeout, keepAliveTimeout, lastResponseTimeout, written, drainCheck, drain,
            cutOff,
            closeNow
    }

    private static let now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private static let head = HTTPServerRequestPart.head(HTTPRequestHead(version: .http1_1, method: .POST, uri: "/"))
    private static let end = HTTPServerRequestPart.end(nil)

    private static func state(_ start: Start, isTLS: Bool = false) -> ServerConnectionState {
        var state = ServerConnectionState(isTLS: isTLS, drainSilence: .seconds(2))
        _ = state.connected(.admitted)
        switch start {
        case .idle: break
        case .reading: _ = state.received(head)
        case .responding, .respondingBeforeAnother:
            _ = state.received(head)
            _ = state.received(end)
            if start == .respondingBeforeAnother { _ = state.received(head) }
        case .closing:
            _ = state.received(head)
            _ = state.responseFinished(closes: true)
        case .draining:
            _ = state.received(head)
            _ = state.responseFinished(closes: true)
            _ = state.lastResponseWritten(at: now)
        case .closed: _ = state.channelClosed()
        }
        return state
    }

    /// What the event makes the caller do, in words.
    private static func happen(_ event: Event, to state: inout ServerConnectionState) -> String {
        switch event {
        case .head: return state.received(head) == nil ? "" : "deliver"
        case .end: return state.received(end) == nil ? "" : "deliver"
        case .readCompleted:
            let first = words(state.readCompleted(at: now + .seconds(1)))
            let second = words(state.inputPaused())
            return [first, second].filter { !$0.isEmpty }.joined(separator: ", ")
        case .inputClosed: return words(state.inputClosed())
        case .requestFailed: return words(state.requestFailed())
        case .connectionFailed: return words(state.connectionFailed())
        case .channelClosed: return words(state.channelClosed())
        case .finished, .finishedLast:
            switch state.responseFinished(closes: event == .finishedLast) {
            case .serveNext: return "serve next"
            case .close(let actions): return words(actions)
            case .nothing: return ""
            }
        case .aborted: return words(state.aborted(resets: true))
        case .headTimeout: return words(state.timerFired(.head))
        case .keepAliveTimeout: return words(state.timerFired(.nextRequest))
        case .lastResponseTimeout: return words(state.timerFired(.lastResponse))
        case .written: return words(state.lastResponseWritten(at: now))
        case .drainCheck: return words(state.drainDeadlineReached(at: now + .seconds(2)))
        case .drain: return words(state.drain())
        case .cutOff: return words(state.cutOff())
        case .closeNow: return words(state.closeNow())
        }
    }

    private static func words(_ actions: ServerConnectionState.Actions) -> String {
        var words: [String] = []
        actions.forEach { action in
            switch action {
            case .pauseExchangeInput: words.append("pause")
            case .announceClose: words.append("announce close")
            case .reportHalfClose: words.append("half-closed")
            case .reportClientClosed: words.append("gone")
            case .cutOffExchange: words.append("cut off")
            case .respondWithError: words.append("error")
            case .flushLastResponse: words.append("flush last")
            case .startTimer(let wait): words.append("timer \(wait)")
            case .startBodyTimer: words.append("timer body")
            case .scheduleDrainCheck(let deadline):
                words.append("check in \((deadline - now).nanoseconds / 1_000_000_000)")
            case .read: words.append("read")
            case .readBody: words.append("read body")
            case .closeOutput: words.append("close output")
            case .close: words.append("close")
            case .reset: words.append("reset")
            case .closeNow: words.append("close now")
            }
        }
        return words.joined(separator: ", ")
    }

    private static let lastResponse = "timer lastResponse, flush last"

    /// For each event, by the phases of ``Start``.
    private static let table: [(event: Event, actions: [String])] = [
        (.head, ["deliver", "deliver", "", "", "", "", ""]),
        (.end, ["deliver", "deliver", "", "", "", "", ""]),
        (
            .readCompleted,
            [
                "timer head, read", "pause, timer body, read body", "pause, timer nothing, read",
                "pause, timer nothing", "", "read", "",
            ]
        ),
        (.inputClosed, [lastResponse, "gone, close", "half-closed", "half-closed", "", "close", ""]),
        (
            .requestFailed,
            ["error, timer errorResponse, flush last", "error", "announce close", "announce close", "", "", ""]
        ),
        (.connectionFailed, ["close", "gone, close", "gone, close", "gone, close", "close", "close", ""]),
        (.channelClosed, ["", "gone", "gone", "gone", "", "", ""]),
        (.finished, [lastResponse, lastResponse, "serve next", "serve next", "", "", ""]),
        (.finishedLast, [lastResponse, lastResponse, lastResponse, lastResponse, "", "", ""]),
        (.aborted, ["reset", "reset", "reset", "reset", "reset", "reset", ""]),
        (
            .headTimeout,
            ["error, timer errorResponse, flush last", "error", "announce close", "announce close", "", "", ""]
        ),
        (.keepAliveTimeout, [lastResponse, "", "", "", "", "", ""]),
        (.lastResponseTimeout, ["close", "close", "close", "close", "close", "close", ""]),
        (.written, ["", "", "", "", "close output, read, check in 2", "", ""]),
        (.drainCheck, ["", "", "", "", "", "close", ""]),
        (.drain, [lastResponse, "announce close", "announce close", "announce close", "", "", ""]),
        (.cutOff, ["close", "cut off", "cut off", "cut off", "close", "close", ""]),
        (.closeNow, ["close now", "close now", "close now", "close now", "close now", "close now", "close now"]),
    ]

    @Test("Each event has its actions in each phase", arguments: Start.allCases)
    func actions(start: Start) throws {
        #expect(Self.table.map(\.event) == Event.allCases)
        let column = try #require(Start.allCases.firstIndex(of: start))
        for row in Self.table {
            var state = Self.state(start)
            #expect(Self.happen(row.event, to: &state) == row.actions[column], "\(row.event) in \(start)")
        }
    }

    @Test(
        "In any three events the client is reported gone at most once, and nothing follows a close",
        arguments: Start.allCases)
    func triples(start: Start) {
        for first in Event.allCases {
            for second in Event.allCases {
                for third in Event.allCases {
                    var state = Self.state(start)
                    var gone = 0
                    for event in [first, second, third] {
                        let wasClosed = state.isClosed
                        let words = Self.happen(event, to: &state)
                        gone += words.contains("gone") ? 1 : 0
                        if wasClosed { #expect(words.isEmpty || words == "close now", "\(first) \(second) \(third)") }
                    }
                    #expect(gone <= 1, "\(first) \(second) \(third)")
                }
            }
        }
    }

    @Test("A client that skips TLS's second half is gone: half-closed connections do not exist")
    func halfCloseWithTLS() {
        var state = Self.state(.responding, isTLS: true)
        #expect(Self.happen(.inputClosed, to: &state) == "gone, close")
    }

    @Test("A rejected connection gets an error; one too many with TLS is closed without a handshake")
    func rejection() {
        let expected: [(ConnectionLimit.Decision, Bool, String)] = [
            (.admitted, false, "timer firstByte, read"),
            (.refused, false, "error, timer errorResponse, flush last"),
            (.refused, true, "error, timer errorResponse, flush last, read"),
            (.cutOff, false, "error, timer errorResponse, flush last"),
            (.cutOff, true, "close now"),
        ]
        for (decision, isTLS, words) in expected {
            var state = ServerConnectionState(isTLS: isTLS, drainSilence: .seconds(2))
            #expect(Self.words(state.connected(decision)) == words)
        }
        var state = ServerConnectionState(isTLS: false, drainSilence: .seconds(2))
        _ = state.connected(.cutOff)
        #expect(Self.words(state.lastResponseWritten(at: Self.now)) == "close", "closes without waiting")
    }

    @Test("While the client takes nothing, no further request is read or served")
    func blockedOutput() {
        var state = Self.state(.responding)
        state.writabilityChanged(to: false)
        #expect(state.responseFinished(closes: false) == .serveNext)
        #expect(state.received(Self.head) == nil && state.received(Self.end) == nil)
        let isStarted = state.startDelivery()
        #expect(isStarted && state.nextPart() == nil)
        _ = state.deliveryEnded()
        #expect(Self.words(state.inputPaused()) == "" && state.readMore() == nil)
        // A client that has sent all its requests still gets its responses.
        #expect(Self.words(state.inputClosed()) == "")
        state.writabilityChanged(to: true)
        #expect(state.startDelivery() && state.nextPart() != nil && state.nextPart() != nil)
        _ = state.deliveryEnded()
        #expect(state.responseFinished(closes: false) == .serveNext)
        #expect(Self.words(state.inputPaused()) == Self.lastResponse)
    }

    @Test("A connection whose handshake is not over is closed at once when the server stops")
    func stopBeforeTheHandshake() {
        for decision in [ConnectionLimit.Decision.admitted, .refused] {
            var state = ServerConnectionState(isTLS: true, drainSilence: .seconds(2))
            _ = state.connected(decision)
            #expect(Self.words(state.drain()) == "close now")
        }
        var state = Self.state(.idle, isTLS: true)
        state.handshakeCompleted()
        #expect(Self.words(state.drain()) == Self.lastResponse)
    }

    @Test("Draining ends when the client is silent for the limit, or after thirty seconds of input")
    func draining() {
        var state = Self.state(.draining)
        var now = Self.now
        for _ in 0..<14 {
            now = now + .seconds(2)
            _ = state.readCompleted(at: now - .seconds(1))
            #expect(Self.words(state.drainDeadlineReached(at: now)).hasPrefix("check in"))
        }
        _ = state.readCompleted(at: now + .seconds(1))
        #expect(Self.words(state.drainDeadlineReached(at: Self.now + .seconds(30))) == "close")
    }

    @Test("Queued requests are served in order, one delivery at a time, and not after the last response")
    func queue() {
        var state = Self.state(.respondingBeforeAnother)
        _ = state.received(Self.end)
        let step = state.responseFinished(closes: false)
        #expect(step == .serveNext)
        let starts = [state.startDelivery(), state.startDelivery()]
        #expect(starts == [true, false], "one delivery is under way")
        for phase in [ServerConnectionState.Phase.reading, .responding] {
            let part = state.nextPart()
            #expect(part != nil && state.phase == phase)
        }
        let more = state.nextPart()
        #expect(more == nil)
        #expect(Self.words(state.deliveryEnded()) == "pause")

        state = Self.state(.respondingBeforeAnother)
        #expect(Self.words(state.drain()) == "announce close")
        guard case .close = state.responseFinished(closes: false) else {
            Issue.record("the connection stays open")
            return
        }
        #expect(state.phase == .closing(drains: true), "the queued request is unread input")
        #expect(state.nextPart() == nil)
    }

    @Test(
        "A client that half-closed while its response was written is served, and its connection closed without draining"
    )
    func halfCloseDuringResponse() {
        var state = Self.state(.responding)
        _ = state.inputClosed()
        let step = state.responseFinished(closes: false)
        #expect(step == .serveNext)
        let starts = state.startDelivery()
        let part = state.nextPart()
        #expect(starts && part == nil)
        _ = state.deliveryEnded()
        #expect(Self.words(state.inputPaused()) == Self.lastResponse)
        #expect(Self.words(state.lastResponseWritten(at: Self.now)) == "close")
    }
}
