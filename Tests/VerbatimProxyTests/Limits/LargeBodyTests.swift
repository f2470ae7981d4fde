import Foundation
import NIOCore
import TestSupport
import Testing
import VerbatimAPI
import VerbatimJSON
import VerbatimTesting

@testable import VerbatimProxy

/// Bodies that are read on another thread, and sent in parts, are treated as small ones are.
@Suite("Large request bodies", .onOwnThreads, .timeLimit(.minutes(10)))
struct LargeBodyTests {
    private func body(_ member: String, length: Int, stream: Bool = false) -> String {
        let members = Array(repeating: member, count: length / member.utf8.count + 1).joined(separator: ",")
        return #"{"model":"m","messages":[],"stream":\#(stream),\#(members)}"#
    }

    @Test(
        "A body above the limit reaches the engine with the injection, and is recorded",
        arguments: [
            #""a":1"#, #""\u006c":1"#, #""\u006cogprobs":false"#, #""x":"\#(String(repeating: "y", count: 999))""#,
        ])
    func largeBody(member: String) async throws {
        let body = body(member, length: 3 * RequestReading.longestOnLoop)
        let expected = try APIRegistry.request(to: .chatCompletions, body: Array(body.utf8))
            .prepared(policy: RequestPolicy(), profile: .vllm, injectionLimits: InjectionLimits()).request.body
        try await withProxy({ $0.engine = .vllm }, script: Chat.engine.serve) { proxy in
            let response = try await post(port: proxy.port, path: Chat.path, body: body)
            #expect(response.status == 200 && response.complete)
            #expect(proxy.engine.requests.map(\.body) == [expected])
            let records = try await proxy.finalRecords()
            #expect(records.map(\.turn) == [1])
        }
    }

    @Test("A long body that is no JSON is refused")
    func invalidBody() async throws {
        let body = body(#""a":1"#, length: 2 * RequestReading.longestOnLoop).dropLast()
        try await withProxy(script: Chat.engine.serve) { proxy in
            let response = try await post(port: proxy.port, path: Chat.path, body: String(body))
            #expect(response.status == 400)
            #expect(response.bodyText.contains("not valid JSON"))
            #expect(try await proxy.finalRecords().isEmpty)
        }
    }

    @Test("An agent that disconnects while its body is read leaves nothing behind")
    func agentLeaves() async throws {
        let body = body(#""\u0061":1"#, length: 8 * RequestReading.longestOnLoop)
        try await withProxy(script: Chat.engine.serve) { proxy in
            for _ in 0..<3 {
                let agent = try await proxy.connect()
                try await agent.send(requestBytes("POST", path: Chat.path, body: Array(body.utf8)))
                await agent.close()
            }
            #expect(try await post(port: proxy.port, path: Chat.path, body: Chat.unary).status == 200)
            _ = try await proxy.finalRecords()
        }
    }

    @Test("A body is divided without a gap", arguments: [0, 1, 262_143, 262_144, 262_145, 700_000])
    func parts(length: Int) {
        let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0) }
        var unsent = UnsentBody(.init(bytes))
        var joined: [UInt8] = []
        var count = 0
        while let part = unsent.next() {
            joined += Array(part.readableBytesView)
            count += 1
        }
        #expect(joined == bytes && unsent.isEmpty)
        #expect(count == max(1, (length + 262_143) / 262_144))
    }
}
