import NIOHTTP1
import Testing
import VerbatimAPI

@testable import VerbatimProxy
@testable import VerbatimHTTP

@Suite("CapturedTurn: a turn that is stopped because a budget is used up")
struct CapturedTurnStopTests {
    typealias Driver = CapturedTurnDriver

    private static let length = #"data: {"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}]}"#

    private func plain(_ number: Int) -> String { Driver.chunk(Driver.event(number, captured: false)) }

    /// Stops the turn, and keeps its record. Returns what the agent gets.
    private func stopped(_ driver: Driver) -> String {
        #expect(driver.stop() == .record(closesEngine: true))
        #expect(driver.recordCount == 1 && driver.record?["outcome"] == #""budget""#)
        #expect(driver.on(.kept) == .finish)
        #expect(driver.stop() == .nothing)
        return driver.takeSent()
    }

    private func isFinalStream(_ sent: String) -> Bool {
        sent.hasPrefix("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream") && sent.contains("Done.")
            && sent.contains(#""finish_reason":"stop""#)
            && sent.hasSuffix(Driver.chunk(Driver.done) + "0\r\n\r\n")
    }

    private func isFinalBody(_ sent: String) -> Bool {
        sent.hasPrefix("HTTP/1.1 200 OK\r\nContent-Type: application/json") && sent.contains(#""content":"Done.""#)
    }

    // MARK: Before the agent has received anything

    @Test("Before the engine's reply the agent gets a final message", arguments: [0, 1, 2])
    func beforeTheReply(events: Int) throws {
        let driver = try Driver()
        if events > 0 { driver.sendAttempt() }
        // The head is held.
        if events > 1 { #expect(driver.on(.head) == .nothing) }
        #expect(isFinalStream(stopped(driver)))
        #expect(driver.record?["status"] == "200")
        #expect(driver.record?["completion_token_ids"] == "[]")
    }

    @Test("A whole reply is replaced by a final message", arguments: [true, false])
    func aWholeReply(hasHead: Bool) throws {
        let driver = try Driver(stream: false)
        driver.sendAttempt()
        if hasHead {
            _ = driver.head(200, ["Content-Type": "application/json", "Transfer-Encoding": "chunked"])
            _ = driver.body(#"{"choices":[{"#)
        }
        #expect(isFinalBody(stopped(driver)))
    }

    @Test("A whole reply whose head has been sent ends with the body of a final message")
    func aWholeReplyAfterItsHead() throws {
        let driver = try Driver(stream: false)
        driver.sendAttempt()
        _ = driver.head(200, ["Content-Type": "application/json", "Transfer-Encoding": "chunked"])
        driver.stopHolding()
        #expect(driver.isHeadWritten)
        _ = driver.takeSent()
        let sent = stopped(driver)
        #expect(sent.contains(#""content":"Done.""#) && sent.hasSuffix("}\r\n0\r\n\r\n"))
    }

    // MARK: In the middle of a stream

    @Test("A stream ends as if its token limit had been reached")
    func aStream() throws {
        let driver = try Driver(isProven: true)
        _ = driver.on(.head)
        #expect(driver.body(Driver.event(1) + Driver.event(2) + "data: {\"choi") == .nothing)
        #expect(driver.takeSent() == Driver.streamHead + plain(1) + plain(2))
        #expect(stopped(driver) == Driver.chunk(Self.length + "\n\n") + Driver.chunk(Driver.done) + "0\r\n\r\n")
        let record = try #require(driver.record)
        #expect(record["completion_token_ids"] == "[1,2]" && record["finish_reason"] == "null")
        #expect(record["status"] == "200" && record["capture", "complete"] == "false")
        #expect(record["capture", "problems"]?.contains("reply_cut_off") ?? false)
    }

    @Test("The usage that the agent asked for is that of the record")
    func usage() throws {
        let driver = try Driver(fields: #","stream_options":{"include_usage":true}"#, isProven: true)
        _ = driver.on(.head)
        _ = driver.body(Driver.event(1) + Driver.event(2))
        _ = driver.takeSent()
        let sent = stopped(driver)
        #expect(sent.contains(#""choices":[],"usage":{"prompt_tokens":"#))
        #expect(sent.contains(#""completion_tokens":2,"#))
    }

    @Test("A stream without an event ends with a final message")
    func aStreamWithoutAnEvent() throws {
        let driver = try Driver(isProven: true)
        _ = driver.on(.head)
        _ = driver.body(": waiting\n\n")
        #expect(driver.takeSent() == Driver.streamHead + Driver.chunk(": waiting\n\n"))
        let sent = stopped(driver)
        #expect(sent.contains("Done.") && sent.hasSuffix(Driver.chunk(Driver.done) + "0\r\n\r\n"))
    }

    @Test("For an agent of HTTP/1.0 the stream ends with the connection")
    func anOldAgent() throws {
        let agent = ResponseWriter.Request(takesChunks: false, errorFormat: .openAI)
        let driver = try Driver(isProven: true, agent: agent)
        _ = driver.on(.head)
        _ = driver.body(Driver.event(1))
        _ = driver.takeSent()
        #expect(stopped(driver) == Self.length + "\n\n" + Driver.done)
    }

    // MARK: What cannot be ended

    @Test("A stream whose length was announced is cut off")
    func anAnnouncedLength() throws {
        let driver = try Driver(goal: .text, isProven: true)
        _ = driver.head(200, ["Content-Type": "text/event-stream", "Content-Length": "10000"])
        _ = driver.body(Driver.event(1))
        #expect(driver.isHeadWritten)
        #expect(driver.stop() == .record(closesEngine: true) && driver.on(.kept) == .abort)
        #expect(driver.record?["outcome"] == #""budget""#)
    }

    @Test("A stream of bare objects, a failed one, and one that passes unread are cut off", arguments: 0..<3)
    func otherStreams(kind: Int) throws {
        let driver = try Driver(isProven: true)
        _ = driver.on(.head)
        switch kind {
        case 0: _ = driver.body("{\"choices\":[]}\n{\"choices\":[]}\n")
        case 1:
            _ = driver.body(Driver.event(1))
            _ = driver.body("data: {\"error\":{\"message\":\"gone\"}}\n\n")
        default: _ = driver.body("data: " + String(repeating: "x", count: 600))
        }
        #expect(driver.stop() == .record(closesEngine: true) && driver.on(.kept) == .abort)
    }

    @Test("A turn that is over, or about to be, is not stopped")
    func afterTheEnd() throws {
        let driver = try Driver(isProven: true)
        _ = driver.on(.head)
        _ = driver.body(Driver.event(1) + Driver.done)
        _ = driver.takeSent()
        #expect(driver.stop() == .nothing)
        #expect(driver.on(.kept) == .nothing && driver.stop() == .nothing)
        #expect(driver.on(.end) == .finish && driver.takeSent() == Driver.chunk(Driver.done) + "0\r\n\r\n")
        #expect(driver.record?["outcome"] == #""completed""#)
    }

    @Test("What the engine still sends is ignored, and an agent that leaves gets nothing more")
    func lateEvents() throws {
        for event in [Driver.Event.body, .end, .disconnect, .timeout] {
            let driver = try Driver(isProven: true)
            _ = driver.on(.head)
            _ = driver.body(Driver.event(1))
            _ = driver.takeSent()
            #expect(driver.stop() == .record(closesEngine: true))
            if event == .timeout {
                #expect(driver.on(event) == .abort)
                continue
            }
            #expect(driver.on(event) == .nothing && driver.takeSent().isEmpty)
            #expect(driver.on(.kept) == .finish && driver.takeSent().hasSuffix(Driver.chunk(Driver.done) + "0\r\n\r\n"))
        }
        let driver = try Driver(isProven: true)
        #expect(driver.stop() == .record(closesEngine: true) && driver.on(.agentGone) == .nothing)
        #expect(driver.on(.kept) == .abort)
    }

    @Test("A stopped turn whose record is not kept is no reply")
    func theRecordIsNotKept() throws {
        let untouched = try Driver()
        #expect(untouched.stop() == .record(closesEngine: true) && untouched.on(.notKept) == .finish)
        #expect(untouched.takeSent().hasPrefix("HTTP/1.1 503 "))
        let begun = try Driver(isProven: true)
        _ = begun.on(.head)
        _ = begun.body(Driver.event(1))
        #expect(begun.stop() == .record(closesEngine: true) && begun.on(.notKept) == .abort)
    }
}
