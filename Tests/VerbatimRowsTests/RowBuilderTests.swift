import Testing

@testable import VerbatimRows

@Suite struct RowBuilderTests {
    @Test("Turns that continue each other exactly are one row") func oneChain() throws {
        let turns = [
            SampleTurn(turn: 1, prompt: [1, 2], completion: [3, 4]),
            SampleTurn(turn: 2, prompt: [1, 2, 3, 4, 5], completion: [6]),
            SampleTurn(turn: 3, prompt: [1, 2, 3, 4, 5, 6, 7], completion: [8, 9]),
        ]
        let row = try #require(try rollouts(turns).first?.rows.first)
        #expect(row.inputIDs == [1, 2, 3, 4, 5, 6, 7, 8, 9])
        #expect(row.lossMask.map { $0 ? 1 : 0 } == [0, 0, 1, 1, 0, 1, 0, 1, 1])
        #expect(row.logprobs == [0, 0, -0.003, -0.004, 0, -0.006, 0, -0.008, -0.009])
        #expect(row.promptLength == 2)
        #expect(row.spans.map(\.context) == [0..<2, 4..<5, 6..<7])
        #expect(row.spans.map(\.completion) == [2..<4, 5..<6, 7..<9])
        #expect(try rows(turns) == ["1-2-3: 3 4 6 8 9"])
    }

    @Test("Records of every detail, also in one file, give the same rows") func details() throws {
        let entries = #","logprobs":{"content":[{"token":"t","logprob":-1,"top_logprobs":[]}],"refusal":null}"#
        let forms = [#","logprobs":null"#, entries, ""]
        func chain(_ first: String, _ second: String) throws -> [Row] {
            func response(_ logprobs: String) -> String {
                #"{"choices":[{"index":0,"message":{"role":"assistant","content":"t"}\#(logprobs)}]}"#
            }
            return try rollouts([
                SampleTurn(turn: 1, prompt: [1, 2], completion: [3, 4], response: response(first)),
                SampleTurn(turn: 2, prompt: [1, 2, 3, 4, 5], completion: [6], response: response(second)),
            ]).flatMap(\.rows)
        }
        for first in forms {
            for second in forms {
                let rows = try chain(first, second)
                #expect(
                    rows.map(\.inputIDs) == [[1, 2, 3, 4, 5, 6]]
                        && rows[0].logprobs == [0, 0, -0.003, -0.004, 0, -0.006])
            }
        }
    }

    @Test("A prompt that rewrites what was sampled begins a row of its own") func drift() throws {
        let turns = [
            SampleTurn(turn: 1, prompt: [1, 2], completion: [3, 4, 5]),
            SampleTurn(turn: 2, prompt: [1, 2, 3, 9, 5, 6], completion: [7]),
        ]
        let rollout = try #require(try rollouts(turns).first)
        #expect(try rows(turns) == ["1: 3 4 5", "2: 7"])
        let fork = try #require(rollout.rows[1].fork)
        #expect(fork.position == 3 && fork.kind == .insideCompletion && fork.lostTokens == 2)
        #expect(rollout.findings.map(\.code) == [.fork])
    }

    @Test("A turn that two turns continue is trained once") func sharedTurn() throws {
        let turns = [
            SampleTurn(turn: 1, prompt: [1], completion: [2]),
            SampleTurn(turn: 2, prompt: [1, 2, 3], completion: [4]),
            SampleTurn(turn: 3, prompt: [1, 2, 5], completion: [6]),
        ]
        #expect(try rows(turns) == ["1-2: 2 4", "1-3: 6"])
    }

    @Test("The attempt that was delivered is trained, the failed one is not") func retries() throws {
        let turns = [
            SampleTurn(turn: 1, prompt: [1], completion: [2, 3], outcome: "client_disconnected"),
            SampleTurn(turn: 2, prompt: [1], completion: [4], retryOf: 1),
            SampleTurn(turn: 3, prompt: [1, 4, 5], completion: [6]),
        ]
        #expect(try rows(turns) == ["2-3: 4 6"])
        let exclusions = try #require(try rollouts(turns).first).exclusions
        #expect(exclusions.map(\.key.turn) == [1])
        #expect(exclusions.first?.role == .retry)
    }

    @Test("Of several samples the one that was continued is trained, else the last") func resamples() throws {
        let continued = [
            SampleTurn(turn: 1, prompt: [1], completion: [2]),
            SampleTurn(turn: 2, prompt: [1], completion: [3]),
            SampleTurn(turn: 3, prompt: [1, 2, 4], completion: [5]),
        ]
        #expect(try rows(continued) == ["1-3: 2 5"])
        #expect(try rows(Array(continued.prefix(2))) == ["2: 3"])
        #expect(try rollouts(Array(continued.prefix(2))).first?.findings.map(\.code) == [.resampled])
    }

    @Test("A choice that was not continued is not trained") func choices() throws {
        let turns = [
            SampleTurn(turn: 1, prompt: [1], completion: [2], otherChoices: [[3], [4]]),
            SampleTurn(turn: 2, prompt: [1, 3, 5], completion: [6]),
        ]
        #expect(try rows(turns) == ["1.1-2: 3 6"])
        #expect(try rows(Array(turns.prefix(1))) == ["1: 2", "1.1: 3", "1.2: 4"])
    }

    @Test("A sub-agent has rows of its own, interleaved or not") func subagents() throws {
        let turns = [
            SampleTurn(turn: 1, prompt: [1], completion: [2], start: 1),
            SampleTurn(session: "sub", parent: "s", turn: 1, prompt: [7], completion: [8], start: 11),
            SampleTurn(turn: 2, prompt: [1, 2, 3], completion: [4], start: 21),
            SampleTurn(session: "sub", parent: "s", turn: 2, prompt: [7, 8, 9], completion: [10], start: 31),
        ]
        let rollout = try #require(try rollouts(turns).first)
        #expect(rollout.id == "s")
        #expect(rollout.rows.map(\.role) == [.agent, .subagent])
        #expect(try rows(turns) == ["1-2: 2 4", "1-2: 8 10"])
    }

    @Test(
        "Calls beside the conversation are auxiliary",
        arguments: [
            (#"{"model":"m"}"#, RoleReason.noTools),
            (#"{"model":"m","tools":[{}],"max_tokens":1}"#, .oneToken),
            (#"{"model":"small","tools":[{}]}"#, .otherModel),
        ])
    func auxiliary(request: String, reason: RoleReason) throws {
        let turns = [
            SampleTurn(turn: 1, prompt: [9], completion: [8], request: request),
            SampleTurn(turn: 2, prompt: [1], completion: [2]),
            SampleTurn(turn: 3, prompt: [1, 2, 3], completion: [4]),
        ]
        let rollout = try #require(try rollouts(turns).first)
        #expect(rollout.rows.map(\.role) == [.auxiliary, .agent])
        #expect(rollout.rows.first?.roleReason == reason)
    }

    @Test("Tokens without a log-probability are not trained") func missingLogprobs() throws {
        let turns = [SampleTurn(turn: 1, prompt: [1], completion: [2, 3, 4], logprobs: [-0.5, nil, -9999])]
        #expect(try rows(turns) == ["1: 2"])
        #expect(try rollouts(turns).first?.rows.first?.findings.map(\.code) == [.logprobMissing])
    }

    @Test("A turn without ids of its prompt is a row by itself") func noPromptIDs() throws {
        let turns = [
            SampleTurn(turn: 1, prompt: nil, completion: [2, 3]),
            SampleTurn(turn: 2, prompt: nil, completion: [2, 3, 4]),
        ]
        #expect(try rows(turns) == ["1: 2 3", "2: 2 3 4"])
        #expect(try rollouts(turns).first?.findings.map(\.code) == [.noPromptIDs, .noPromptIDs])
        // Without its context a completion must not be trained.
        #expect(try rollouts(turns).first?.rows.allSatisfy { !$0.isTrainable } == true)
    }

    @Test("A repeated request is an attempt at the first, even if the engine sends no ids of the prompt")
    func attemptsWithoutPromptIDs() throws {
        let turns = [
            SampleTurn(turn: 1, prompt: nil, completion: [2]),
            SampleTurn(turn: 2, prompt: nil, completion: [3], retryOf: 1),
            SampleTurn(turn: 3, prompt: nil, completion: [4]),
        ]
        #expect(try rows(turns) == ["2: 3", "3: 4"])
    }

    @Test("A conversation that begins with a summary names the turn that wrote it") func compaction() throws {
        let summary = #"The files were listed and two of them changed.\nThe tests pass except for the slow ones."#
        func request(_ message: String) -> String {
            #"{"model":"m","tools":[{}],"messages":[{"role":"user","content":"\#(message)"}]}"#
        }
        let turns = [
            SampleTurn(turn: 1, prompt: [1], completion: [2], request: request("List the files, please.")),
            SampleTurn(
                turn: 2, prompt: [1, 2, 3], completion: [4], request: request("Summarize what was done so far."),
                response: #"{"choices":[{"index":0,"message":{"role":"assistant","content":"\#(summary)"}}]}"#),
            SampleTurn(
                turn: 3, prompt: [9], completion: [8],
                request: request(#"This continues an earlier conversation.\n\#(summary)\nGo on."#)),
        ]
        let rollout = try #require(try rollouts(turns).first)
        #expect(try rows(turns) == ["1-2: 2 4", "3: 8"])
        #expect(rollout.rows.map(\.role) == [.agent, .agent])
        #expect(rollout.rows.first?.spans.map(\.role) == [.agent, .compaction])
        #expect(rollout.rows.map { $0.parent?.turn } == [nil, 2])
        #expect(rollout.rows.last?.parent?.relation == .compaction)
    }
}
