import NIOCore
import NIOHTTP1
import TestSupport
import Testing
import VerbatimAPI
import VerbatimHTTP
import VerbatimTesting

@testable import VerbatimProxy

/// Replies whose head says something else than their first bytes.
@Suite("A reply is read by its first bytes, not by its Content-Type") struct ReplyFormTests {
    typealias Driver = CapturedTurnDriver

    static let types = ["application/json", "text/plain", "text/event-stream", "application/x-ndjson", ""]
    static let mark = "\u{FEFF}"
    static let event = Driver.event(1)
    static let restoredEvent = Driver.event(1, captured: false)
    static let document = #"{"choices":[{"index":0,"delta":{"content":"1"},"token_ids":[1]}]}"#
    static let restoredDocument = document.replacing("[1]}]", with: "null}]")

    /// What an agent without chunks gets, and the record.
    private func reply(
        _ body: String, type: String, more: HTTPHeaders = [:], isStream: Bool, isProven: Bool, cutAt cut: Int
    ) throws -> (head: String, body: String, driver: Driver) {
        var agent = ResponseWriter.Request(errorFormat: .openAI)
        agent.takesChunks = false
        let driver = try Driver(stream: isStream, isProven: isProven, maximumEventSize: 2048, agent: agent)
        var headers: HTTPHeaders = type.isEmpty ? [:] : ["Content-Type": type]
        headers.add(contentsOf: more)
        if !headers.contains(name: "content-length") { headers.add(name: "Transfer-Encoding", value: "chunked") }
        _ = driver.head(200, headers)
        let bytes = Array(body.utf8)
        for part in [bytes[..<cut], bytes[cut...]] where !part.isEmpty { _ = driver.body(Array(part)) }
        _ = driver.on(.end)
        _ = driver.on(.kept)
        _ = driver.on(.end)
        let parts = driver.sent.split(separator: "\r\n\r\n", maxSplits: 1).map(String.init)
        return (parts.first ?? "", parts.count > 1 ? parts[1] : "", driver)
    }

    private func everyWay(
        _ body: String, expected: String, tokens: String? = "[1]", types: [String] = types,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for (number, type) in types.enumerated() {
            for (isStream, isProven) in [(true, true), (true, false), (false, true), (false, false)] {
                // Every place of a short beginning and end, and a sample of those between, another one for each type.
                let length = body.utf8.count
                for cut in 0...length where cut < 8 || cut > length - 8 || cut % 23 == number {
                    let reply = try reply(body, type: type, isStream: isStream, isProven: isProven, cutAt: cut)
                    let way: Comment = "\(type), \(isStream), \(isProven), \(cut)"
                    #expect(Array(reply.body.utf8) == Array(expected.utf8), way, sourceLocation: sourceLocation)
                    #expect(reply.driver.recordCount == 1, way, sourceLocation: sourceLocation)
                    let record = try #require(reply.driver.record)
                    if let tokens {
                        #expect(record["completion_token_ids"] == tokens, way, sourceLocation: sourceLocation)
                    }
                }
            }
        }
    }

    @Test(
        "Events, with or without a byte order mark or blank lines before them",
        arguments: ["", mark, "\r\n\n", mark + "\n"])
    func events(start: String) throws {
        for field in ["data", "event", "id", "retry", ":"] {
            let first = field == "data" ? "" : field == ":" ? ": hello\n" : "\(field): 1\n"
            try everyWay(
                start + first + Self.event + Driver.done, expected: start + first + Self.restoredEvent + Driver.done)
        }
    }

    @Test("A document, with or without a byte order mark or white space before it, or [DONE] behind it")
    func documents() throws {
        for start in ["", Self.mark, " \r\n\t", Self.mark + "\n"] {
            for end in ["", "\n", "\n\ndata: [DONE]\n\n", "\r\n\r\n[DONE]"] {
                try everyWay(
                    start + Driver.unaryBody + end, expected: start + Driver.restoredBody + end, tokens: "[7]")
            }
        }
    }

    @Test("A document that is followed by [DONE] is complete as without it")
    func doneBehindADocument() throws {
        let body = Driver.unaryBody.replacing(
            "}]}", with: #","finish_reason":"length"}],"usage":{"completion_tokens":1}}"#)
        let length = body.utf8.count
        let plain = try reply(body, type: "application/json", isStream: false, isProven: true, cutAt: length)
        let done = try reply(
            body + "\n\ndata: [DONE]\n\n", type: "text/event-stream", isStream: false, isProven: true, cutAt: length)
        #expect(done.driver.record?["capture"] == plain.driver.record?["capture"])
        #expect(done.driver.record?["response"] == plain.driver.record?["response"])
        #expect(done.driver.record?["outcome"] == #""completed""#)
    }

    @Test("Several documents, in lines, in an array, or among anything else")
    func severalDocuments() throws {
        let second = Self.document.replacing("[1]", with: "[2]")
        for (start, between, end) in [("", "\n", "\n"), ("[", ",\n", "]"), ("", "", ""), ("\u{1E}", "\n\u{1E}", "\n")] {
            try everyWay(
                start + Self.document + between + second + end,
                expected: start + Self.restoredDocument + between + Self.restoredDocument + end, tokens: "[1,2]")
        }
        // Lines of another protocol.
        try everyWay(
            "0:\(Self.document)\n1:\(second)\n", expected: "0:\(Self.restoredDocument)\n1:\(Self.restoredDocument)\n",
            tokens: "[1,2]")
        try everyWay("[\(Self.document)]", expected: "[\(Self.restoredDocument)]")
        // Line breaks between values.
        let broken = Self.document.replacing(",", with: ",\r\n")
        try everyWay(
            broken + "\n" + second,
            expected: Self.restoredDocument.replacing(",", with: ",\r\n") + "\n" + Self.restoredDocument,
            tokens: "[1,2]")
    }

    @Test("Events without blank lines between them")
    func noBlankLines() throws {
        let second = Self.document.replacing("[1]", with: "[2]")
        for (start, separator) in [
            ("data: ", "\n"), ("data:", "\r\n"), ("event: x\ndata: ", "\n"), ("id: 1\ndata: ", "\r"),
        ] {
            let end = separator + "data: [DONE]" + separator
            try everyWay(
                start + Self.document + separator + start + second + end,
                expected: start + Self.restoredDocument + separator + start + Self.restoredDocument + end,
                tokens: "[1,2]")
        }
        // Only one of them is missing.
        for start in ["", "event: x\n", "id: 1\nretry: 2\n"] {
            let events = start + "data: " + Self.document + "\n" + start + "data: " + second + "\n\n"
            try everyWay(
                events + Driver.done,
                expected: events.replacing(Self.document, with: Self.restoredDocument)
                    .replacing(second, with: Self.restoredDocument) + Driver.done, tokens: "[1,2]")
        }
        // JSON on several lines of data is one event.
        let lines = Self.event.replacing(",", with: ",\ndata: ")
        try everyWay(
            lines + Driver.done, expected: Self.restoredEvent.replacing(",", with: ",\ndata: ") + Driver.done)
        let driver = try Driver(isProven: true)
        _ = driver.on(.head)
        _ = driver.takeSent()
        _ = driver.body("data: \(Self.document)\n")
        _ = driver.body("data: \(Self.document)\n")
        #expect(driver.takeSent().ranges(of: Self.restoredDocument).count == 2)
        _ = driver.body("data: \(Self.document)\n")
        #expect(driver.takeSent().contains(Self.restoredDocument))
        #expect(driver.body("data: [DONE]\n") == .record(closesEngine: false))
        #expect(driver.record?["capture", "problems"]?.contains("stream_not_terminated") == false)
        _ = driver.on(.kept)
        #expect(driver.takeSent().hasSuffix(Driver.chunk("[DONE]") + Driver.chunk("\n")))
    }

    @Test("A document behind comments, or among events")
    func documentsAmongEvents() throws {
        try everyWay(
            ": wait\n\n: wait\n\n" + Driver.unaryBody + "\n",
            expected: ": wait\n\n: wait\n\n" + Driver.restoredBody + "\n",
            tokens: "[7]")
        let second = Self.document.replacing("[1]", with: "[2]")
        try everyWay(
            Self.event + second + "\n\n" + Driver.done,
            expected: Self.restoredEvent + Self.restoredDocument + "\n\n" + Driver.done, tokens: "[1,2]")
    }

    @Test("A stream of documents is passed on one by one", arguments: [true, false])
    func documentsOneByOne(isProven: Bool) throws {
        let driver = try Driver(isProven: isProven)
        _ = driver.head(200, ["Content-Type": "application/x-ndjson", "Transfer-Encoding": "chunked"])
        // The first may be the whole reply.
        #expect(driver.body(Self.document + "\n") == .nothing && driver.takeSent() == "")
        _ = driver.body(Self.document + "\n")
        #expect(driver.takeSent().ranges(of: Self.restoredDocument).count == 2)
        _ = driver.body(Self.document)
        #expect(driver.takeSent() == Driver.chunk(Self.restoredDocument))
        #expect(driver.body("\n") == .nothing && driver.takeSent() == Driver.chunk("\n"))
    }

    @Test("Events are passed on one by one", arguments: types)
    func eventsOneByOne(type: String) throws {
        let driver = try Driver(isProven: true)
        _ = driver.head(200, type.isEmpty ? [:] : ["Content-Type": type])
        _ = driver.body(Self.event)
        #expect(driver.takeSent().hasSuffix("\r\n\r\n" + Driver.chunk(Self.restoredEvent)))
        #expect(driver.body(Self.event) == .nothing && driver.takeSent() == Driver.chunk(Self.restoredEvent))
        #expect(driver.body(Driver.done) == .record(closesEngine: false))
    }

    @Test(
        "Values that mean no coding are accepted",
        arguments: ["utf-8", "UTF8", "none", "identity", "", "identity, utf-8"])
    func contentCodings(coding: String) throws {
        for (body, expected) in [
            (Driver.unaryBody, Driver.restoredBody), (Self.event + Driver.done, Self.restoredEvent + Driver.done),
        ] {
            let reply = try reply(
                body, type: "application/json", more: ["Content-Encoding": coding], isStream: false, isProven: true,
                cutAt: 1)
            #expect(reply.body == expected && reply.head.contains("Content-Encoding: \(coding)"))
        }
    }

    @Test("A length is that of what the agent gets")
    func lengths() throws {
        for start in ["", Self.mark, "\n "] {
            let body = start + Driver.unaryBody
            let reply = try reply(
                body, type: "text/event-stream", more: ["Content-Length": "\(body.utf8.count)"], isStream: false,
                isProven: false, cutAt: 0)
            #expect(reply.body == start + Driver.restoredBody)
            #expect(reply.head.contains("Content-Length: \((start + Driver.restoredBody).utf8.count)"))
        }
    }

    // MARK: When

    @Test("White space that comes while an engine computes is passed on as it comes", arguments: [true, false])
    func whiteSpace(isProven: Bool) throws {
        let driver = try Driver(stream: false, isProven: isProven)
        let head = "HTTP/1.1 200 Fine\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        _ = driver.head(200, ["Content-Type": "application/json", "Transfer-Encoding": "chunked"])
        #expect(driver.isHolding)
        #expect(driver.body(" ") == .nothing)
        #expect(driver.takeSent() == (isProven ? head + Driver.chunk(" ") : ""))
        driver.stopHolding()
        #expect(!driver.isHolding)
        #expect(driver.body("\n") == .nothing)
        #expect(driver.takeSent() == (isProven ? "" : head + Driver.chunk(" ")) + Driver.chunk("\n"))
        _ = driver.body(String(Driver.unaryBody.prefix(9)))
        _ = driver.body(String(Driver.unaryBody.dropFirst(9)))
        #expect(driver.on(.end) == .record(closesEngine: false) && driver.takeSent() == "")
        #expect(driver.on(.kept) == .finish)
        #expect(driver.takeSent() == Driver.chunk(Driver.restoredBody) + "0\r\n\r\n")
        #expect(driver.record?["completion_token_ids"] == "[7]" && driver.record?["status"] == "200")
    }

    @Test("A head that is sent early announces no length, since the body may be edited")
    func earlyHeads() throws {
        let length = String(Driver.unaryBody.utf8.count + 1)
        let headers: HTTPHeaders = ["Content-Type": "application/json", "Content-Length": length]
        let driver = try Driver(stream: false, isProven: true)
        _ = driver.head(200, headers)
        #expect(driver.body("\n") == .nothing && driver.takeSent() == "")
        driver.stopHolding()
        _ = driver.body(Driver.unaryBody)
        _ = driver.on(.end)
        #expect(driver.on(.kept) == .finish)
        let sent = driver.takeSent()
        #expect(!sent.contains("Content-Length") && sent.contains("Transfer-Encoding: chunked"))
        #expect(sent.hasSuffix(Driver.chunk("\n") + Driver.chunk(Driver.restoredBody) + "0\r\n\r\n"))
        // Without an injection the length stays.
        let plain = try Driver(stream: false, goal: .text)
        _ = plain.head(200, headers)
        plain.stopHolding()
        _ = plain.body("\n" + Driver.unaryBody)
        _ = plain.on(.end)
        _ = plain.on(.kept)
        #expect(plain.sent.contains("Content-Length: \(length)") && plain.sent.hasSuffix("\n" + Driver.unaryBody))
    }

    @Test("An early head for an agent of HTTP/1.0, whose reply ends with its connection")
    func earlyHeadsWithoutChunks() throws {
        for event in [Driver.Event.end, .disconnect] {
            var agent = ResponseWriter.Request(errorFormat: .openAI)
            agent.takesChunks = false
            let driver = try Driver(stream: false, isProven: true, agent: agent)
            _ = driver.head(200, ["Content-Length": "\(Driver.unaryBody.utf8.count)"])
            driver.stopHolding()
            #expect(driver.takeSent() == "HTTP/1.1 200 Fine\r\nConnection: close\r\n\r\n")
            _ = driver.body(Driver.unaryBody)
            _ = driver.on(event)
            #expect(driver.on(.kept) == (event == .end ? .finish : .abort))
            #expect(driver.takeSent() == (event == .end ? Driver.restoredBody : ""))
        }
    }

    @Test("Once its head is sent, a whole reply that fails is cut off, and not repeated")
    func failuresBehindAnEarlyHead() throws {
        for event in [Driver.Event.disconnect, .timeout, .shutdown] {
            let driver = try Driver(stream: false)
            _ = driver.head(200, ["Transfer-Encoding": "chunked"])
            driver.stopHolding()
            _ = driver.takeSent()
            _ = driver.body(String(Driver.unaryBody.prefix(5)))
            _ = driver.on(event)
            #expect(driver.on(.kept) == (event == .disconnect ? .cutOff : .abort) && driver.takeSent() == "")
            #expect(driver.record?["capture", "complete"] == "false" && driver.record?["status"] == "200")
        }
        let driver = try Driver(stream: false)
        _ = driver.head(200, ["Transfer-Encoding": "chunked"])
        driver.stopHolding()
        _ = driver.body(Driver.rejection)
        #expect(driver.on(.end) == .record(closesEngine: false))
    }

    @Test("A head is not sent once the turn has failed")
    func noHeadBehindAFailure() throws {
        for isStream in [true, false] {
            let driver = try Driver(stream: isStream)
            _ = isStream ? driver.on(.head) : driver.head(200, ["Transfer-Encoding": "chunked"])
            #expect(driver.isHolding)
            #expect(driver.on(.disconnect) == .retry)
            _ = driver.on(.disconnect)
            driver.stopHolding()
            #expect(driver.takeSent() == "" && !driver.isHolding)
            #expect(driver.on(.kept) == .finish && driver.takeSent().hasPrefix("HTTP/1.1 502 "))
        }
    }
}

@Suite("Replies and requests of unusual form, over sockets", .onOwnThreads, .timeLimit(.minutes(10)))
struct ReplyFormSocketTests {
    static let completion =
        #"{"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"Hi","#
        + #""logprobs":{"text_offset":[0],"token_logprobs":[-0.5],"tokens":["Hi"],"top_logprobs":[{"Hi":-0.5}]},"#
        + #""finish_reason":"length","stop_reason":null,"token_ids":[5],"prompt_token_ids":[1]}],"#
        + #""usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#

    @Test("Completions are restored whatever they are called", arguments: ReplyFormTests.types, [true, false])
    func completions(type: String, asEvent: Bool) async throws {
        let body = (asEvent ? "data: " : "") + Self.completion + "\n\ndata: [DONE]\n\n"
        try await withProxy(script: { exchange in
            let headers = type.isEmpty ? [] : [("Content-Type", type)]
            try await exchange.startEventStream(headers: headers)
            try await exchange.sendChunk(body)
            try await exchange.finishStream()
        }) { proxy in
            let request = #"{"model":"m","prompt":"x","stream":\#(asEvent)}"#
            let response = try await post(port: proxy.port, path: "/v1/completions", body: request)
            #expect(response.complete && response.bodyText.hasSuffix("data: [DONE]\n\n"))
            #expect(response.bodyText.contains(#""logprobs":null"#) && !response.bodyText.contains("[5]"))
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.tokenIDs == [5] && record.level == "tokens")
        }
    }

    @Test(
        "In the other APIs the terminal event is found whatever the reply is called",
        arguments: TerminalEventTests.ends, ["application/json", "text/plain"])
    func terminalEvents(end: (path: String, terminal: String), type: String) async throws {
        let isRead = Monitor(false)
        try await withProxy(script: { exchange in
            try await exchange.startEventStream(headers: [("Content-Type", type)])
            try await exchange.sendChunk("data: {\"type\":\"ping\"}\n\n")
            await isRead.wait { $0 }
            try await exchange.sendChunk(end.terminal)
            try await exchange.finishStream()
        }) { proxy in
            let agent = try await proxy.connect()
            try await agent.send(requestBytes("POST", path: end.path, body: Array(Chat.stream.utf8)))
            _ = try await agent.read(until: "ping")
            isRead.update { $0 = true }
            #expect(try await agent.read(until: "0\r\n\r\n").count > end.terminal.utf8.count)
            let record = try #require(try await proxy.finalRecords().only)
            #expect(record.outcome == "completed" && !record.problems.contains("reply_not_json"))
        }
    }

    @Test("The head of a whole reply is passed on after the time that a refusal takes")
    func earlyHead() async throws {
        let clock = ManualClock()
        let mayEnd = Monitor(false)
        try await withProxy(
            {
                $0.clock = HTTPClock(clock)
                $0.threads = 1
                $0.settings.limits.refusalTime = .seconds(1)
            },
            script: { exchange in
                try await exchange.startEventStream(headers: [("Content-Type", "application/json")])
                try await exchange.sendChunk(" ")
                await mayEnd.wait { $0 }
                try await exchange.sendChunk(Chat.body())
                try await exchange.finishStream()
            }
        ) { proxy in
            let agent = try await proxy.startChat()
            await clock.waitForTimer(in: .seconds(1))
            try await clock.advance(by: .seconds(1))
            _ = try await agent.read(until: "\r\n\r\n1\r\n \r\n")
            mayEnd.update { $0 = true }
            #expect(try await agent.read(until: "\r\n0\r\n\r\n").count > Chat.body().utf8.count)
        }
    }

    @Test("A request with a byte order mark is forwarded with it, and captured")
    func aMarkedRequest() async throws {
        try await withProxy(script: { exchange in
            guard
                case .whole(_, _, let headers, let body) = Chat.engine.answer(
                    toBody: Array(exchange.request.body.dropFirst(3)))
            else { return try await exchange.respond(status: 500) }
            try await exchange.respond(headers: headers, body: body)
        }) { proxy in
            for body in [Chat.unary, Chat.unary] {
                let response = try await proxy.chat(ReplyFormTests.mark + body)
                #expect(response.status == 200 && response.complete)
            }
            for request in proxy.engine.requests {
                #expect(request.body.starts(with: [0xEF, 0xBB, 0xBF]) && request.bodyText.contains("return_token_ids"))
            }
            #expect(try await proxy.finalRecords().allSatisfy { $0.outcome == "completed" && $0.isComplete })
        }
    }

    @Test("A compressed request is refused, and one without a coding is accepted")
    func codedRequests() async throws {
        try await withProxy(script: Chat.engine.serve) { proxy in
            for coding in ["gzip", "br", "zstd", "gzip, identity", "x"] {
                let response = try await proxy.chat(headers: [("Content-Encoding", coding)])
                #expect(response.status == 415 && response.bodyText.contains("compressed"))
            }
            #expect(proxy.engine.requests.isEmpty)
            for coding in ["identity", "", "utf-8", "none"] {
                #expect(try await proxy.chat(headers: [("Content-Encoding", coding)]).status == 200)
            }
            #expect(try await proxy.finalRecords().count == 4)
        }
    }
}
