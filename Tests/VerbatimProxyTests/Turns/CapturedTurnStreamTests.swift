import NIOHTTP1
import Testing
import VerbatimAPI

@testable import VerbatimProxy
@testable import VerbatimHTTP

/// When each byte of a reply is sent to the agent.
@Suite("CapturedTurn: what the agent receives, and when") struct CapturedTurnStreamTests {
    typealias Driver = CapturedTurnDriver

    private func plain(_ number: Int) -> String { Driver.chunk(Driver.event(number, captured: false)) }

    // MARK: Streams

    @Test("The head is held until the first event") func theHeadIsHeld() throws {
        let driver = try Driver()
        #expect(driver.on(.head) == .nothing && driver.takeSent() == "")
        #expect(driver.body(": one\n\n: two\n\n") == .nothing && driver.takeSent() == "")
        let event = Driver.event(1)
        #expect(driver.body(String(event.dropLast())) == .nothing && driver.takeSent() == "")
        #expect(driver.body("\n" + Driver.event(2).prefix(20)) == .nothing)
        #expect(driver.takeSent() == Driver.streamHead + Driver.chunk(": one\n\n: two\n\n") + plain(1))
        #expect(driver.body(String(Driver.event(2).dropFirst(20))) == .nothing && driver.takeSent() == plain(2))
    }

    @Test("The terminal event is held until the record is kept") func theTerminalEventIsHeld() throws {
        let driver = try Driver(isProven: true)
        _ = driver.on(.head)
        #expect(driver.takeSent() == Driver.streamHead)
        // What follows in the same bytes, or while the record is written, comes after it and in order.
        #expect(driver.body(Driver.event(1) + Driver.done + ": a\n") == .record(closesEngine: false))
        #expect(driver.takeSent() == plain(1))
        #expect(driver.body(": b\n") == .nothing && driver.body(Driver.event(9)) == .nothing && driver.takeSent() == "")
        #expect(driver.on(.kept) == .nothing)
        #expect(driver.takeSent() == Driver.chunk(Driver.done) + Driver.chunk(": a\n: b\n" + Driver.event(9)))
        #expect(driver.body("late") == .nothing && driver.takeSent() == Driver.chunk("late"))
        #expect(driver.on(.end) == .finish && driver.takeSent() == "0\r\n\r\n")
        let record = try #require(driver.record)
        #expect(record["outcome"] == #""completed""# && record["completion_token_ids"] == "[1]")
        #expect(driver.recordCount == 1)
    }

    @Test(
        "A reply whose record is written when the engine ends it is framed as the engine left it",
        arguments: [CapturedTurnDriver.Event.end, .disconnect])
    func theEngineEndsWhileTheRecordIsWritten(event: CapturedTurnDriver.Event) throws {
        let driver = try Driver(isProven: true)
        _ = driver.on(.head)
        #expect(driver.body(Driver.done) == .record(closesEngine: false))
        #expect(driver.on(event) == .nothing)
        _ = driver.takeSent()
        #expect(driver.on(.kept) == (event == .end ? .finish : .cutOff))
        #expect(driver.takeSent() == Driver.chunk(Driver.done) + (event == .end ? "0\r\n\r\n" : ""))
    }

    @Test("A stream may end without its terminal event, which the record notes") func aStreamWithoutItsTerminalEvent()
        throws
    {
        let driver = try Driver()
        _ = driver.on(.head)
        #expect(driver.body(Driver.event(1) + "data: {\"choices\":[]}") == .nothing)
        _ = driver.takeSent()
        #expect(driver.on(.end) == .record(closesEngine: false))
        #expect(driver.takeSent() == Driver.chunk("data: {\"choices\":[]}"))
        #expect(driver.on(.kept) == .finish && driver.takeSent() == "0\r\n\r\n")
        #expect(driver.record?["capture", "problems"]?.contains("stream_not_terminated") ?? false)
        #expect(driver.record?["outcome"] == #""completed""#)
    }

    @Test("A terminal event may come without its blank line") func aTerminalEventWithoutItsBlankLine() throws {
        let driver = try Driver(isProven: true)
        _ = driver.on(.head)
        #expect(driver.body("data: [DONE]") == .nothing && driver.on(.end) == .record(closesEngine: false))
        _ = driver.takeSent()
        #expect(driver.on(.kept) == .finish && driver.takeSent() == Driver.chunk("data: [DONE]") + "0\r\n\r\n")
    }

    @Test("A stream that ends with its connection is complete only if its choices are finished")
    func aStreamThatEndsWithItsConnection() throws {
        for isFinished in [false, true] {
            let driver = try Driver(isProven: true)
            _ = driver.head(200, ["Content-Type": "text/event-stream"])
            _ = driver.body(Driver.event(1))
            if isFinished { _ = driver.body("data: {\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}\n\n") }
            #expect(driver.on(.end) == .record(closesEngine: false))
            let outcome = isFinished ? #""completed""# : #""upstream_disconnected""#
            #expect(driver.record?["outcome"] == outcome)
            #expect(driver.on(.kept) == (isFinished ? .finish : .cutOff))
        }
    }

    @Test("A rejection in a stream is retried, and the agent gets nothing of it") func aRejectionInAStream() throws {
        let driver = try Driver()
        _ = driver.on(.head)
        #expect(driver.body(": c\n\ndata: \(Driver.rejection)\n\ndata: [DONE]\n\n") == .retry)
        #expect(driver.sent == "" && driver.recordCount == 0)
        #expect(driver.prepared.injection.isEmpty)
        // The retry starts without anything of the first attempt.
        _ = driver.on(.head)
        #expect(driver.body(Driver.event(1, captured: false) + Driver.done) == .record(closesEngine: false))
        #expect(driver.takeSent() == Driver.streamHead + plain(1))
        #expect(driver.record?["capture", "problems"]?.contains("logprobs_refused") ?? false)
    }

    @Test("An error in the middle of a stream goes to the agent") func anErrorInMidStream() throws {
        let driver = try Driver(isProven: true)
        _ = driver.on(.head)
        let error = "data: {\"error\":{\"message\":\"logprobs went wrong\",\"code\":500}}\n\n"
        #expect(driver.body(Driver.event(1) + error + Driver.done) == .record(closesEngine: false))
        #expect(driver.takeSent() == Driver.streamHead + plain(1) + Driver.chunk(error))
        let record = try #require(driver.record)
        #expect(record["outcome"] == #""upstream_error""# && record["completion_token_ids"] == "[1]")
        #expect(record["response", "upstream_error", "code"] == "500")
        #expect(driver.on(.kept) == .nothing && driver.takeSent() == Driver.chunk(Driver.done))
    }

    // MARK: Limits

    @Test("A stream passes unread from an event that is too large", arguments: [false, true])
    func anEventThatIsTooLarge(isProven: Bool) throws {
        let driver = try Driver(isProven: isProven, maximumEventSize: 100)
        _ = driver.on(.head)
        let large = "data: {\"choices\":[" + String(repeating: " ", count: 200)
        #expect(driver.body(": c\n\n" + large) == .nothing)
        // The last byte waits for the record.
        #expect(
            driver.takeSent() == Driver.streamHead + Driver.chunk(": c\n\n") + Driver.chunk(String(large.dropLast())))
        #expect(driver.body("]}\n\n" + Driver.done) == .nothing)
        #expect(driver.takeSent() == Driver.chunk(" ") + Driver.chunk(String(("]}\n\n" + Driver.done).dropLast())))
        #expect(driver.on(.end) == .record(closesEngine: false) && driver.takeSent() == "")
        #expect(driver.on(.kept) == .finish && driver.takeSent() == Driver.chunk("\n") + "0\r\n\r\n")
        let record = try #require(driver.record)
        #expect(record["outcome"] == #""completed""# && record["capture", "complete"] == "false")
        #expect(record["capture", "problems"]?.contains("reply_too_large") ?? false)
    }

    @Test("A stream that is too long passes unread from its limit") func aStreamThatIsTooLong() throws {
        let length = Driver.event(1).utf8.count
        let driver = try Driver(isProven: true, maximumReplySize: length + 10)
        _ = driver.on(.head)
        #expect(driver.body(Driver.event(1)) == .nothing && driver.body(Driver.event(2)) == .nothing)
        #expect(driver.takeSent() == Driver.streamHead + plain(1) + plain(2))
        let rest = Driver.event(3) + Driver.done
        #expect(driver.body(rest) == .record(closesEngine: false) && driver.takeSent() == Driver.chunk(Driver.event(3)))
        #expect(driver.on(.end) == .nothing && driver.on(.kept) == .finish)
        #expect(driver.takeSent() == Driver.chunk(Driver.done) + "0\r\n\r\n")
        // The record has what was read, and does not note an end that was not read.
        #expect(driver.record?["completion_token_ids"] == "[1,2]")
        #expect(driver.record?["capture", "problems"] == #"["reply_too_large"]"#)
    }

    @Test("A body that is too large passes unread", arguments: [nil, "9999"])
    func aBodyThatIsTooLarge(length: String?) throws {
        let driver = try Driver(stream: false, maximumReplySize: 10)
        let framing: HTTPHeaders = length.map { ["Content-Length": $0] } ?? ["Transfer-Encoding": "chunked"]
        func framed(_ text: String) -> String { length == nil ? Driver.chunk(text) : text }
        #expect(driver.head(200, framing) == .nothing)
        #expect(driver.body("{\"a\":") == .nothing)
        #expect(driver.takeSent().hasSuffix(length == nil ? "" : "\r\n\r\n{\"a\""))
        #expect(driver.body("123456789") == .nothing)
        #expect(driver.takeSent().hasSuffix(framed(length == nil ? "{\"a\":12345678" : "12345678")))
        #expect(driver.body("}") == .nothing && driver.takeSent() == framed("9"))
        #expect(driver.on(.end) == .record(closesEngine: false) && driver.takeSent() == "")
        #expect(driver.on(.kept) == .finish)
        #expect(driver.takeSent() == framed("}") + (length == nil ? "0\r\n\r\n" : ""))
        let record = try #require(driver.record)
        #expect(record.capture == "none reply_too_large" && record["outcome"] == #""completed""#)
        #expect(record["response", "choices"] == "[]" && record["response", "upstream_status"] == "200")
    }

    // MARK: Whole replies

    @Test("A whole reply waits for its record, and is restored") func aBodyWaitsForItsRecord() throws {
        let driver = try Driver(stream: false)
        let body = Driver.unaryBody
        _ = driver.head(200, ["Content-Length": String(body.utf8.count), "X-A": "1", "x-a": "2"])
        _ = driver.body(String(body.prefix(30)))
        _ = driver.body(String(body.dropFirst(30)))
        #expect(driver.on(.end) == .record(closesEngine: false) && driver.takeSent() == "")
        #expect(driver.on(.kept) == .finish)
        let length = Driver.restoredBody.utf8.count
        let head = "HTTP/1.1 200 Fine\r\nContent-Length: \(length)\r\nX-A: 1\r\nx-a: 2\r\n\r\n"
        #expect(driver.takeSent() == head + Driver.restoredBody)
    }

    @Test("An HTTP/1.0 agent gets no chunks") func anAgentOfHTTP10() throws {
        let driver = try Driver(
            isProven: true,
            agent: ResponseWriter.Request(isHead: false, takesChunks: false, keepsAlive: false, errorFormat: .openAI))
        _ = driver.on(.head)
        _ = driver.body(Driver.event(1) + Driver.done)
        _ = driver.on(.kept)
        #expect(driver.on(.end) == .finish)
        let head = "HTTP/1.1 200 Fine\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
        #expect(driver.takeSent() == head + Driver.event(1, captured: false) + Driver.done)
    }

    @Test("The recorded times are those of the last attempt") func timesAreThoseOfTheLastAttempt() throws {
        let driver = try Driver()
        _ = driver.on(.head)
        #expect(driver.body("data: \(Driver.rejection)\n\n") == .retry)
        driver.sendAttempt()
        _ = driver.on(.head)
        _ = driver.body("data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n")
        _ = driver.on(.body)
        _ = driver.on(.body)
        _ = driver.on(.end)
        #expect(driver.record?["ttft_s"].flatMap(Double.init) == 2)
        #expect(driver.record?["latency_s"].flatMap(Double.init) == 4)
    }

    // MARK: Held heads

    @Test("A held head and its comments are sent after a while without an event") func silenceReleasesHeldHead() throws
    {
        let driver = try CapturedTurnDriver()
        driver.sendAttempt()
        _ = driver.head()
        _ = driver.body(": keep-alive\n\n")
        #expect(driver.takeSent().isEmpty && driver.isHolding)
        driver.stopHolding()
        #expect(!driver.isHolding)
        _ = driver.body(CapturedTurnDriver.event(1))
        let sent = driver.takeSent()
        #expect(sent.contains(": keep-alive") && sent.contains("data: "))
    }

    @Test("A held head is sent when its comments reach the limit") func commentsAreNotHeldWithoutLimit() throws {
        let driver = try CapturedTurnDriver()
        driver.sendAttempt()
        _ = driver.head()
        for _ in 0..<1000 { _ = driver.body(": keep-alive\n\n") }
        #expect(!driver.isHolding)
    }

    @Test("The framing of a rejection has no effect on the reply to the retry", arguments: [false, true])
    func aRetryHasItsOwnFraming(isFramed: Bool) throws {
        let driver = try CapturedTurnDriver()
        driver.sendAttempt()
        let length = "\(CapturedTurnDriver.rejection.utf8.count)"
        _ = driver.head(400, isFramed ? ["Content-Length": length] : [:])
        _ = driver.body(CapturedTurnDriver.rejection)
        #expect(driver.on(.end) == .retry)
        driver.sendAttempt()
        _ = driver.head()
        _ = driver.body(CapturedTurnDriver.event(1))
        _ = driver.on(.end)
        #expect(driver.record?["outcome"] == #""completed""#)
    }
}
