import Foundation
import NIOCore
import NIOEmbedded
import NIOSSL
import NIOTLS
import TestSupport
import Testing
import VerbatimTesting

@testable import VerbatimProxy
@testable import VerbatimHTTP

/// The PEM file at `path`.
private func pem(_ path: String) throws -> PEMText {
    PEMText(source: path, bytes: Array(try Data(contentsOf: URL(filePath: path))))
}

@Suite("TLS between the proxy and the engine", .onOwnThreads, .timeLimit(.minutes(10)))
struct EngineTLSTests {
    /// Runs `body` with an engine behind TLS and a proxy that trusts the tests' certificate authority.
    private func withRelay(
        _ certificate: String, host: String = "localhost", newest: TLSVersion = .tlsv13, trusts: Bool = true,
        script: @escaping MockEngine.Script = Chat.engine.serve,
        _ body: (ProxyHarness, MockEngine, TLSRelay) async throws -> Void
    ) async throws {
        let engine = try await MockEngine.start(script: script)
        let relay = try await TLSRelay.start(TestCertificate(certificate), to: engine.port, newest: newest)
        try await withProxy(
            {
                $0.upstreamURL = "https://\(host):\(relay.port)/v1?key=secret-in-query"
                $0.upstreamAPIKey = "sk-engine"
                if trusts { $0.upstreamCA = try pem(TestCertificate.authority.certificatePath) }
            }, script: Chat.engine.serve
        ) { try await body($0, engine, relay) }
        await relay.stop()
        await engine.stop()
    }

    @Test(
        "Replies are captured, and connections reused", arguments: ["localhost", "127.0.0.1"],
        [TLSVersion.tlsv12, .tlsv13])
    func repliesAreCapturedAndConnectionsReused(host: String, newest: TLSVersion) async throws {
        try await withRelay("good", host: host, newest: newest) { proxy, engine, relay in
            let agent = try await proxy.startChat(Chat.stream)
            let direct = try await post(port: engine.port, path: Chat.path, body: Chat.stream)
            #expect(try await agent.readResponse().bodyText == direct.bodyText)
            try await agent.send(requestBytes("POST", path: Chat.path, body: Array(Chat.unary.utf8)))
            #expect(try await agent.readResponse().status == 200)
            // One connection of the proxy, one of this test. SNI holds a name, and must not hold an address.
            #expect(engine.connectionCount == 2)
            #expect(relay.names.state == [host == "localhost" ? "localhost" : nil])
            let records = try await proxy.finalRecords()
            #expect(records.map(\.tokenIDs) == [[9906, 385, 1070, 0, 2], [9906, 385, 1070, 0, 2]])
            #expect(records.map(\.outcome) == ["completed", "completed"])
        }
    }

    @Test("An engine that demands a certificate is shown the configured one", arguments: [true, false])
    func clientCertificate(hasIdentity: Bool) async throws {
        let engine = try await MockEngine.start(script: Chat.engine.serve)
        let relay = try await TLSRelay.start(TestCertificate("good"), to: engine.port, demandsCertificate: true)
        let own = TestCertificate("named")
        try await withProxy(
            {
                $0.upstreamURL = "https://localhost:\(relay.port)/v1"
                $0.upstreamCA = try pem(TestCertificate.authority.certificatePath)
                if hasIdentity {
                    $0.upstreamIdentity = UpstreamTLS.Identity(
                        certificates: try pem(own.certificatePath), key: try pem(own.keyPath))
                }
            }, script: Chat.engine.serve
        ) { proxy in
            let status = try await proxy.chat().status
            #expect(status == (hasIdentity ? 200 : 502))
        }
        let shown = try NIOSSLCertificate.fromPEMFile(own.certificatePath)[0].toDERBytes()
        #expect(relay.clientCertificates.state == (hasIdentity ? [shown] : []))
        await relay.stop()
        await engine.stop()
    }

    @Test(
        "A certificate says whether it is valid at a time",
        arguments: [("good", nil), ("expired", "it has expired"), ("not-yet-valid", "it is not valid yet")])
    func validity(name: String, problem: String?) throws {
        #expect(try pem(TestCertificate(name).certificatePath).validityProblem() == problem)
        #expect(PEMText(source: "x", bytes: [1]).validityProblem() == nil)
    }

    @Test("Each event is passed on before the next is sent")
    func eventsComeOneByOne() async throws {
        let isRead = Monitor(0)
        let script: MockEngine.Script = { exchange in
            try await exchange.startEventStream()
            for number in 1...5 {
                try await exchange.sendEvent(Chat.event(number))
                await isRead.wait { $0 >= number }
            }
            for event in [Chat.finish, "[DONE]"] { try await exchange.sendEvent(event) }
            try await exchange.finishStream()
        }
        try await withRelay("good", script: script) { proxy, _, _ in
            let agent = try await proxy.startChat(Chat.stream)
            for number in 1...5 {
                _ = try await agent.read(until: "t\(number) ")
                isRead.update { $0 = number }
            }
            _ = try await agent.read(until: "[DONE]")
        }
    }

    @Test(
        "A reply without a length that ends without close_notify is cut off", arguments: [Chat.path, "/v1/x"],
        [true, false])
    func aReplyThatEndsWithoutCloseNotify(path: String, isStream: Bool) async throws {
        let certificate = TestCertificate("good")
        let engine = try await MockEngine.start { exchange in
            let type = isStream ? "text/event-stream" : "application/json"
            let body = isStream ? "data: \(Chat.event(1))\n\ndata: \(Chat.finish)\n\n" : Chat.body()
            try await exchange.send("HTTP/1.1 200 OK\r\nContent-Type: \(type)\r\n\r\n\(body)")
            await exchange.close()
        }
        let relay = try await TLSRelay.start(certificate, to: engine.port, endsCleanly: false)
        try await withProxy(
            {
                $0.upstreamURL = "https://localhost:\(relay.port)"
                $0.upstreamCA = try pem(TestCertificate.authority.certificatePath)
            }, script: Chat.engine.serve
        ) { proxy in
            let agent = try await proxy.connect()
            let body = isStream ? Chat.stream : Chat.unary
            try await agent.send(requestBytes("POST", path: path, body: Array(body.utf8)))
            let reply = try await agent.readResponse()
            #expect(!reply.complete || reply.status == 502)
            for record in try await proxy.finalRecords() {
                #expect(record.outcome == "upstream_disconnected" && !record.isComplete)
            }
        }
        await relay.stop()
        await engine.stop()
    }

    struct Distrust: Sendable, CustomStringConvertible {
        let certificate: String
        let words: String
        var host = "localhost"
        var newest = TLSVersion.tlsv13
        var trusts = true
        var description: String { "\(certificate) for \(host), \(newest)\(trusts ? "" : ", system's roots")" }
    }

    static let distrusts: [Distrust] = [
        .init(certificate: "expired", words: "its certificate has expired"),
        .init(certificate: "not-yet-valid", words: "its certificate is not valid yet"),
        .init(certificate: "other-host", words: "its certificate is for another host"),
        .init(certificate: "other-host", words: "its certificate is for another host", host: "127.0.0.1"),
        .init(certificate: "named", words: "its certificate is for another host", host: "127.0.0.1"),
        .init(certificate: "self-signed", words: "self-signed or of an unknown issuer"),
        .init(certificate: "unknown-issuer", words: "self-signed or of an unknown issuer"),
        .init(certificate: "good", words: "self-signed or of an unknown issuer", trusts: false),
        .init(certificate: "good", words: "TLS: the handshake failed", newest: .tlsv11),
    ]

    @Test("Nothing is sent to an engine that is not trusted", arguments: distrusts, [Chat.path, "/v1/embeddings"])
    func nothingIsSentToAnUntrustedEngine(distrust: Distrust, path: String) async throws {
        try await withRelay(
            distrust.certificate, host: distrust.host, newest: distrust.newest, trusts: distrust.trusts
        ) { proxy, engine, _ in
            let response = try await post(port: proxy.port, path: path, body: Chat.stream)
            #expect(response.status == 502 && response.complete)
            let error = try OpenAIError(response.body)
            #expect(error.code == "upstream_unavailable" && error.message.contains(distrust.words), "\(error.message)")
            #expect(!response.bodyText.contains("secret") && !response.bodyText.contains("sk-engine"))
            #expect(engine.requests.isEmpty && engine.problems.isEmpty)
            for record in try await proxy.finalRecords() {
                #expect(record.outcome == "upstream_error" && record.status == 502)
                #expect(record.upstreamStatus == nil && record.upstreamError?.contains(distrust.words) == true)
                #expect(!record.line.contains("secret") && !record.line.contains("sk-engine"))
            }
        }
    }

    @Test("An engine without TLS gets no plain request")
    func engineWithoutTLSReceivesNoPlainRequest() async throws {
        let engine = try await MockEngine.start(script: Chat.engine.serve)
        let clock = ManualClock()
        try await withProxy(
            {
                $0.upstreamURL = "https://127.0.0.1:\(engine.port)"
                $0.clock = HTTPClock(clock)
                $0.connectTimeout = .seconds(10)
            }, script: Chat.engine.serve
        ) { proxy in
            async let reply = proxy.chat()
            await clock.waitForTimer(in: .seconds(10))
            try await clock.advance(by: .seconds(10))
            let response = try await reply
            #expect(response.status == 504, "\(response.bodyText)")
            #expect(engine.requests.isEmpty)
        }
        await engine.stop()
    }
}

@Suite("TLS between agents and the proxy", .onOwnThreads, .timeLimit(.minutes(10)))
struct AgentTLSTests {
    private func withTLS(
        _ configure: (inout ProxySetup) -> Void = { _ in },
        script: @escaping MockEngine.Script = Chat.engine.serve, _ body: (ProxyHarness) async throws -> Void
    ) async throws {
        try await withProxy(
            {
                $0.agentTLS = try agentTLS()
                configure(&$0)
            }, script: script, body)
    }

    private func agentTLS() throws -> ServerTLS {
        let certificate = TestCertificate("good")
        return .init(certificates: try pem(certificate.certificatePath), key: try pem(certificate.keyPath))
    }

    private func connect(_ proxy: ProxyHarness) async throws -> RawAgent {
        try await RawAgent.connect(port: proxy.port, isTLS: true)
    }

    @Test("Replies are the same as without TLS")
    func repliesMatchThoseWithoutTLS() async throws {
        try await withTLS { proxy in
            let agent = try await connect(proxy)
            for body in [Chat.unary, Chat.stream] {
                try await agent.send(requestBytes("POST", path: Chat.path, body: Array(body.utf8)))
                let direct = try await post(port: proxy.engine.port, path: Chat.path, body: body)
                let response = try await agent.readResponse()
                #expect(response.status == 200 && response.bodyText == direct.bodyText && response.complete)
            }
            #expect(try await proxy.finalRecords().map(\.isComplete) == [true, true])
            #expect(await agent.waitUntilClosed() == .eof)
        }
    }

    @Test("Bodies larger than a TLS record pass, and those beyond the limit are refused")
    func largeBodiesPass()
        async throws
    {
        try await withTLS({ $0.maximumBodySize = 4 << 20 }) { proxy in
            let text = String(repeating: "x", times: 3 << 20)
            let agent = try await connect(proxy)
            let body = #"{"model":"m","messages":[{"role":"user","content":"\#(text)"}]}"#
            try await agent.send(requestBytes("POST", path: Chat.path, body: Array(body.utf8)))
            #expect(try await agent.readResponse().status == 200)
            #expect(proxy.engine.requests.only?.body.count ?? 0 > 3 << 20)
            try await agent.send("POST \(Chat.path) HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n")
            #expect(try await agent.readResponse().status == 413)
            await agent.close()
        }
    }

    @Test("Each event is passed on before the next is sent")
    func eventsComeOneByOne() async throws {
        let isRead = Monitor(0)
        try await withTLS(script: { exchange in
            try await exchange.startEventStream()
            for number in 1...5 {
                try await exchange.sendEvent(Chat.event(number))
                await isRead.wait { $0 >= number }
            }
            for event in [Chat.finish, "[DONE]"] { try await exchange.sendEvent(event) }
            try await exchange.finishStream()
        }) { proxy in
            let agent = try await connect(proxy)
            try await agent.send(requestBytes("POST", path: Chat.path, body: Array(Chat.stream.utf8)))
            for number in 1...5 {
                _ = try await agent.read(until: "t\(number) ")
                isRead.update { $0 = number }
            }
            _ = try await agent.read(until: "[DONE]")
        }
    }

    enum Leaving: CaseIterable, Sendable {
        /// Sends close_notify and continues to read.
        case closeNotify
        case close, reset

        func perform(on agent: RawAgent) async throws {
            switch self {
            case .closeNotify: try await agent.halfClose()
            case .close: await agent.close()
            case .reset: await agent.reset()
            }
        }
    }

    @Test(
        "The engine's connection is closed when the agent leaves", arguments: [Stage.streamBeforeHead, .midStream],
        Leaving.allCases)
    func engineConnectionIsClosedWhenTheAgentLeaves(stage: Stage, how: Leaving) async throws {
        let hasReached = Monitor(false)
        let isOver = Monitor(false)
        try await withTLS(
            { $0.requestTimeout = .seconds(3600) },
            script: { exchange in
                try await stage.play(exchange)
                hasReached.update { $0 = true }
                _ = await exchange.peerClosed()
                isOver.update { $0 = true }
            }
        ) { proxy in
            let agent = try await connect(proxy)
            try await agent.send(requestBytes("POST", path: Chat.path, body: Array(stage.request.utf8)))
            await hasReached.wait { $0 }
            try await stage.readVisiblePart(agent)
            try await how.perform(on: agent)
            await isOver.wait { $0 }
            #expect(try await proxy.finalRecords().map(\.outcome) == ["client_disconnected"])
        }
    }

    @Test("A reply that is cut off is not followed by close_notify, which would make it seem complete")
    func truncatedReplySendsNoCloseNotify() async throws {
        let isRead = Monitor(false)
        try await withTLS(script: { exchange in
            try await Stage.midUnframedStream.play(exchange)
            await isRead.wait { $0 }
            await exchange.reset()
        }) { proxy in
            let agent = try await connect(proxy)
            let head = "POST \(Chat.path) HTTP/1.0\r\nContent-Length: \(Chat.stream.utf8.count)\r\n\r\n"
            try await agent.send(head + Chat.stream)
            _ = try await agent.read(until: "t2 ")
            isRead.update { $0 = true }
            #expect(await agent.waitUntilClosed() == .reset)
            #expect(try await proxy.finalRecords().map(\.outcome) == ["upstream_disconnected"])
        }
    }

    @Test(
        "A plain HTTP request is refused with 400 and the advice to use https",
        arguments: ["GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n", "POST /v1/chat/completions HTTP/1.1\r\n"])
    func plainHTTPRequestIsRefused(request: String) async throws {
        try await withTLS { proxy in
            let agent = try await proxy.connect()
            try await agent.send(request)
            let response = try await agent.readResponse()
            #expect(response.status == 400 && response.bodyText.contains("https://"))
            await agent.waitUntilClosed()
            #expect(proxy.engine.requests.isEmpty)
        }
    }

    @Test(
        "A handshake that stalls is ended",
        arguments: ["\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}", "", "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}"])
    func aHandshakeThatStallsIsEnded(bytes: String) async throws {
        let tls = try agentTLS()
        let clock = ManualClock()
        try await withProxy(
            {
                $0.agentTLS = tls
                $0.clock = HTTPClock(clock)
                $0.handshakeTimeout = .seconds(10)
            }, script: Chat.engine.serve
        ) { proxy in
            let agent = try await proxy.connect()
            await clock.waitForTimer(in: .seconds(10))
            if !bytes.isEmpty { try await agent.send(Array(bytes.unicodeScalars.map { UInt8($0.value) })) }
            try await clock.advance(by: .seconds(10))
            await agent.waitUntilClosed()
        }
    }

    @Test("A connection beyond the limit gets a 503 after its handshake; more than 64 such connections are closed")
    func tooManyConnections() async throws {
        let tls = try agentTLS()
        try await withProxy(
            {
                $0.agentTLS = tls
                $0.threads = 1
                $0.maximumConnections = 1
            }, script: Chat.engine.serve
        ) { proxy in
            let first = try await connect(proxy)
            try await first.send(requestBytes("GET", path: "/healthz"))
            #expect(try await first.readResponse().status == 200)
            let second = try await connect(proxy)
            let refusal = try await second.readResponse()
            #expect(refusal.status == 503 && refusal.complete && refusal.header("Connection") == "close")
            await second.close()
            var silent: [RawAgent] = []
            for _ in 0..<65 { silent.append(try await proxy.connect()) }
            await silent.last?.waitUntilClosed()
            for agent in silent { await agent.close() }
            try await first.send(requestBytes("GET", path: "/healthz"))
            #expect(try await first.readResponse().status == 200)
        }
    }

    @Test("A connection without a handshake does not delay the stop", arguments: ["", "\u{16}\u{3}\u{1}"])
    func stopBeforeTheHandshake(bytes: String) async throws {
        try await withTLS { proxy in
            let agent = try await proxy.connect()
            if !bytes.isEmpty { try await agent.send(bytes) }
            let served = try await connect(proxy)
            try await served.send(requestBytes("GET", path: "/healthz"))
            #expect(try await served.readResponse().status == 200)
            // The grace period is an hour.
            await proxy.stop()
            await agent.waitUntilClosed()
            await served.close()
        }
    }

    @Test("The handshake limit does not apply to an established connection", arguments: [true, false])
    func handshakeLimitEndsWithTheHandshake(isEstablished: Bool) throws {
        let loop = EmbeddedEventLoop()
        let clock = HTTPClock {
            loop.now
        } schedule: { deadline, loop, task in
            let scheduled = loop.assumeIsolated().scheduleTask(deadline: deadline, task)
            return HTTPClock.Timer { scheduled.cancel() }
        }
        let channel = EmbeddedChannel(
            handler: TLSHandshakeHandler(clock: clock, limit: .seconds(10), errorFormat: .openAI), loop: loop)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        channel.embeddedEventLoop.advanceTime(by: .seconds(9))
        #expect(channel.isActive)
        if isEstablished {
            channel.pipeline.fireUserInboundEventTriggered(TLSUserEvent.handshakeCompleted(negotiatedProtocol: nil))
        }
        channel.embeddedEventLoop.advanceTime(by: .seconds(3600))
        #expect(channel.isActive == isEstablished)
    }
}
