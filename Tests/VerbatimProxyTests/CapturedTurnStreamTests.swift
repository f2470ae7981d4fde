import NIOHTTP1
import Testing
import VerbatimAPI

@testable import VerbatimProxy

/// What of a reply goes out when, byte for byte.
@Suite struct CapturedTurnStreamTests {
    typealias Driver = CapturedTurnDriver

    private func plain(_ number: Int) -> String { Driver.chunk(Driver.event(number, captured: false)) }

    // MARK: Streams

    @Test func theHeadIsHeldUntilTheFirstEvent() throws {
        var driver = try Driver()
        #expect(driver.on(.head) == "" && driver.takeSent() == "")
        #expect(driver.body(": one\n\n: two\n\n") == "" && driver.takeSent() == "")
        let event = Driver.event(1)
        #expect(driver.body(String(event.dropLast())) == "" && driver.takeSent() == "")
        #expect(driver.body("\n" + Driver.event(2).prefix(20)) == "")
        #expect(driver.takeSent() == Driver.streamHead + Driver.chunk(": one\n\n: two\n\n") + plain(1))
        #expect(driver.body(String(Driver.event(2).dropFirst(20))) == "" && driver.takeSent() == plain(2))
    }

    @Test func theTerminalEventIsHeldUntilTheRecordIsKept() throws {
        var driver = try Driver(verdictKnown: true)
        _ = driver.on(.head)
        #expect(driver.takeSent() == Driver.streamHead)
        // What follows in the same bytes, or while the record is written, comes behind it and in its order.
        #expect(driver.body(Driver.event(1) + Driver.done + ": a\n") == "record")
        #expect(driver.takeSent() == plain(1))
        #expect(driver.body(": b\n") == "" && driver.body(Driver.event(9)) == "" && driver.takeSent() == "")
        #expect(driver.on(.kept) == "")
        #expect(driver.takeSent() == Driver.chunk(Driver.done) + Driver.chunk(": a\n: b\n" + Driver.event(9)))
        #expect(driver.body("late") == "" && driver.takeSent() == Driver.chunk("late"))
        #expect(driver.on(.end) == "finish" && driver.takeSent() == "0\r\n\r\n")
        let record = try #require(driver.record)
        #expect(record["outcome"] == #""completed""# && record["completion_token_ids"] == "[1]")
        #expect(driver.recordCount == 1)
    }

    @Test(arguments: [CapturedTurnDriver.Event.end, .disconnect])
    func theEngineEndsWhileTheRecordIsWritten(event: CapturedTurnDriver.Event) throws {
        var driver = try Driver(verdictKnown: true)
        _ = driver.on(.head)
        #expect(driver.body(Driver.done) == "record")
        #expect(driver.on(event) == "")
        _ = driver.takeSent()
        // The reply was whole; its framing is as the engine left it.
        #expect(driver.on(.kept) == (event == .end ? "finish" : "abort"))
        #expect(driver.takeSent() == Driver.chunk(Driver.done) + (event == .end ? "0\r\n\r\n" : ""))
    }

    @Test func aStreamWithoutItsTerminalEvent() throws {
        var driver = try Driver()
        _ = driver.on(.head)
        #expect(driver.body(Driver.event(1) + "data: {\"choices\":[]}") == "")
        _ = driver.takeSent()
        #expect(driver.on(.end) == "record")
        #expect(driver.takeSent() == Driver.chunk("data: {\"choices\":[]}"))
        #expect(driver.on(.kept) == "finish" && driver.takeSent() == "0\r\n\r\n")
        #expect(driver.record?["capture", "problems"]?.contains("stream_not_terminated") ?? false)
        #expect(driver.record?["outcome"] == #""completed""#)
    }

    @Test func aTerminalEventWithoutItsBlankLine() throws {
        var driver = try Driver(verdictKnown: true)
        _ = driver.on(.head)
        #expect(driver.body("data: [DONE]") == "" && driver.on(.end) == "record")
        _ = driver.takeSent()
        #expect(driver.on(.kept) == "finish" && driver.takeSent() == Driver.chunk("data: [DONE]") + "0\r\n\r\n")
    }

    /// Whether a stream that ends with its connection is whole shows only in its content.
    @Test func aStreamThatEndsWithItsConnection() throws {
        for isFinished in [false, true] {
            var driver = try Driver(verdictKnown: true)
            _ = driver.head(200, ["Content-Type": "text/event-stream"])
            _ = driver.body(Driver.event(1))
            if isFinished { _ = driver.body("data: {\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}\n\n") }
            #expect(driver.on(.end) == "record")
            let outcome = isFinished ? #""completed""# : #""upstream_disconnected""#
            #expect(driver.record?["outcome"] == outcome)
            #expect(driver.on(.kept) == (isFinished ? "finish" : "abort"))
        }
    }

    @Test func aRefusalInAStreamIsRetriedUnseen() throws {
        var driver = try Driver()
        _ = driver.on(.head)
        #expect(driver.body(": c\n\ndata: \(Driver.refusal)\n\ndata: [DONE]\n\n") == "retry")
        #expect(driver.sent == "" && driver.recordCount == 0)
        #expect(driver.turn.prepared.injection.isEmpty)
        // Nothing of the first attempt is left.
        _ = driver.on(.head)
        #expect(driver.body(Driver.event(1, captured: false) + Driver.done) == "record")
        #expect(driver.takeSent() == Driver.streamHead + plain(1))
        #expect(driver.record?["capture", "problems"]?.contains("logprobs_refused") ?? false)
    }

    @Test func anErrorInMidStreamPasses() throws {
        var driver = try Driver(verdictKnown: true)
        _ = driver.on(.head)
        let error = "data: {\"error\":{\"message\":\"logprobs went wrong\",\"code\":500}}\n\n"
        #expect(driver.body(Driver.event(1) + error + Driver.done) == "record")
        #expect(driver.takeSent() == Driver.streamHead + plain(1) + Driver.chunk(error))
        let record = try #require(driver.record)
        #expect(record["outcome"] == #""upstream_error""# && record["completion_token_ids"] == "[1]")
        #expect(record["response", "upstream_error", "code"] == "500")
        #expect(driver.on(.kept) == "" && driver.takeSent() == Driver.chunk(Driver.done))
    }

    // MARK: Limits

    @Test(arguments: [false, true]) func anEventThatIsTooLargePasses(verdictKnown: Bool) throws {
        var driver = try Driver(verdictKnown: verdictKnown, maximumEventSize: 100)
        _ = driver.on(.head)
        let large = "data: {\"choices\":[" + String(repeating: " ", count: 200)
        #expect(driver.body(": c\n\n" + large) == "")
        // The reply ends behind the last byte, which waits for the record.
        #expect(
            driver.takeSent() == Driver.streamHead + Driver.chunk(": c\n\n") + Driver.chunk(String(large.dropLast())))
        #expect(driver.body("]}\n\n" + Driver.done) == "")
        #expect(driver.takeSent() == Driver.chunk(" ") + Driver.chunk(String(("]}\n\n" + Driver.done).dropLast())))
        #expect(driver.on(.end) == "record" && driver.takeSent() == "")
        #expect(driver.on(.kept) == "finish" && driver.takeSent() == Driver.chunk("\n") + "0\r\n\r\n")
        let record = try #require(driver.record)
        #expect(record["outcome"] == #""completed""# && record["capture", "complete"] == "false")
        #expect(record["capture", "problems"]?.contains("reply_too_large") ?? false)
    }

    @Test func aStreamThatIsTooLongPassesFromThereOn() throws {
        let length = Driver.event(1).utf8.count
        var driver = try Driver(verdictKnown: true, maximumReplySize: length + 10)
        _ = driver.on(.head)
        #expect(driver.body(Driver.event(1)) == "" && driver.body(Driver.event(2)) == "")
        #expect(driver.takeSent() == Driver.streamHead + plain(1) + plain(2))
        let rest = Driver.event(3) + Driver.done
        #expect(driver.body(rest) == "record" && driver.takeSent() == Driver.chunk(Driver.event(3)))
        #expect(driver.on(.end) == "" && driver.on(.kept) == "finish")
        #expect(driver.takeSent() == Driver.chunk(Driver.done) + "0\r\n\r\n")
        // What was read is kept, and nothing said of an end that was not read.
        #expect(driver.record?["completion_token_ids"] == "[1,2]")
        #expect(driver.record?["capture", "problems"] == #"["reply_too_large"]"#)
    }

    @Test(arguments: [nil, "9999"]) func aBodyThatIsTooLargePasses(length: String?) throws {
        var driver = try Driver(stream: false, maximumReplySize: 10)
        let framing: HTTPHeaders = length.map { ["Content-Length": $0] } ?? ["Transfer-Encoding": "chunked"]
        func framed(_ text: String) -> String { length == nil ? Driver.chunk(text) : text }
        #expect(driver.head(200, framing) == "")
        #expect(driver.body("{\"a\":") == "")
        #expect(driver.takeSent().hasSuffix(length == nil ? "" : "\r\n\r\n{\"a\""))
        #expect(driver.body("123456789") == "")
        #expect(driver.takeSent().hasSuffix(framed(length == nil ? "{\"a\":12345678" : "12345678")))
        #expect(driver.body("}") == "" && driver.takeSent() == framed("9"))
        #expect(driver.on(.end) == "record" && driver.takeSent() == "")
        #expect(driver.on(.kept) == "finish")
        #expect(driver.takeSent() == framed("}") + (length == nil ? "0\r\n\r\n" : ""))
        let record = try #require(driver.record)
        #expect(record.capture == "none reply_too_large" && record["outcome"] == #""completed""#)
        #expect(record["response", "choices"] == "[]" && record["response", "upstream_status"] == "200")
    }

    // MARK: Whole replies

    @Test func aBodyWaitsForItsRecord() throws {
        var driver = try Driver(stream: false)
        let body = Driver.unaryBody
        _ = driver.head(200, ["Content-Length": String(body.utf8.count), "X-A": "1", "x-a": "2"])
        _ = driver.body(String(body.prefix(30)))
        _ = driver.body(String(body.dropFirst(30)))
        #expect(driver.on(.end) == "record" && driver.takeSent() == "")
        #expect(driver.on(.kept) == "finish")
        let length = Driver.restoredBody.utf8.count
        let head = "HTTP/1.1 200 Fine\r\nContent-Length: \(length)\r\nX-A: 1\r\nx-a: 2\r\n\r\n"
        #expect(driver.takeSent() == head + Driver.restoredBody)
    }

    @Test func anAgentOfHTTP10GetsNoChunks() throws {
        var driver = try Driver(
            verdictKnown: true, agent: ResponseWriter.Request(isHead: false, takesChunks: false, keepsAlive: false))
        _ = driver.on(.head)
        _ = driver.body(Driver.event(1) + Driver.done)
        _ = driver.on(.kept)
        #expect(driver.on(.end) == "finish")
        let head = "HTTP/1.1 200 Fine\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
        #expect(driver.takeSent() == head + Driver.event(1, captured: false) + Driver.done)
    }

    @Test func timesAreThoseOfTheLastAttempt() throws {
        var driver = try Driver()
        _ = driver.on(.head)
        #expect(driver.body("data: \(Driver.refusal)\n\n") == "retry")
        driver.sendAttempt()
        _ = driver.on(.head)
        _ = driver.body("data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n")
        _ = driver.on(.body)
        _ = driver.on(.body)
        _ = driver.on(.end)
        #expect(driver.record?["ttft_s"].flatMap(Double.init) == 2)
        #expect(driver.record?["latency_s"].flatMap(Double.init) == 4)
    }

    // MARK: Judging

    /// Comments wait with the head for the first event, but not for ever.
    @Test func aLongSilenceEndsTheJudging() throws {
        var driver = try CapturedTurnDriver()
        driver.sendAttempt()
        _ = driver.head()
        _ = driver.body(": keep-alive\n\n")
        #expect(driver.takeSent().isEmpty && driver.turn.isJudging)
        _ = driver.turn.stopJudging()
        #expect(!driver.turn.isJudging)
        _ = driver.body(CapturedTurnDriver.event(1))
        let sent = driver.takeSent()
        #expect(sent.contains(": keep-alive") && sent.contains("data: "))
    }

    @Test func commentsAreNotHeldWithoutLimit() throws {
        var driver = try CapturedTurnDriver()
        driver.sendAttempt()
        _ = driver.head()
        for _ in 0..<1000 { _ = driver.body(": keep-alive\n\n") }
        #expect(!driver.turn.isJudging)
    }

    /// How the refusal was framed says nothing of the reply.
    @Test(arguments: [false, true]) func aFurtherAttemptIsFramedAnew(isFramed: Bool) throws {
        var driver = try CapturedTurnDriver()
        driver.sendAttempt()
        let length = "\(CapturedTurnDriver.refusal.utf8.count)"
        _ = driver.head(400, isFramed ? ["Content-Length": length] : [:])
        _ = driver.body(CapturedTurnDriver.refusal)
        #expect(driver.on(.end) == "retry")
        driver.sendAttempt()
        _ = driver.head()
        _ = driver.body(CapturedTurnDriver.event(1))
        _ = driver.on(.end)
        #expect(driver.record?["outcome"] == #""completed""#)
    }
}
