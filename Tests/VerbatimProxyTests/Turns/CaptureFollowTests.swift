import TestSupport
import Testing
import VerbatimProxy
import VerbatimSchema
import VerbatimTesting
import VerbatimTrace

@Suite("Following the trace of a running proxy", .onOwnThreads, .timeLimit(.minutes(10)))
struct CaptureFollowTests {
    @Test("The reader of the library sees turns as the proxy writes them")
    func turnsAreSeenAsTheyCome() async throws {
        try await CaptureProxy.run(CaptureScript.chat(.vllm).serve) { proxy in
            let reader = TraceReader(path: proxy.trace)
            var turns = reader.follow(every: .milliseconds(5)).makeAsyncIterator()
            for number in 1...5 {
                let request = CaptureRequest(stream: number % 2 == 0, tools: number == 3, n: number == 4 ? 2 : 1)
                _ = try await proxy.ask(request.body)
                let turn = try #require(try await turns.next())
                #expect(turn.number == number && turn.outcome == .completed && turn.status == 200)
                let replies = CaptureScript.replies(to: request)
                #expect(turn.completionTokenIDs == replies[0].tokens.map(\.id))
                #expect(turn.completionTokens == replies[0].tokens.map(\.text))
                #expect(turn.perTokenLogprobs == replies[0].tokens.map { Double($0.logprob) })
                #expect(turn.choices.count == request.n && turn.promptTokenIDs?.first == 1)
                #expect(turn.choices.last?.completionTokenIDs == replies.last?.tokens.map(\.id))
                #expect(turn.captureLevel == .tokens && turn.isCaptureComplete && turn.captureProblems.isEmpty)
                #expect(turn.isStream == request.stream && turn.engine == "vllm")
            }
            // A reader that starts later reads the same.
            let contents = try reader.turns()
            #expect(contents.turns.map(\.number) == [1, 2, 3, 4, 5])
            #expect(contents.tornTail == nil && contents.invalidLines.isEmpty)
        }
    }
}
