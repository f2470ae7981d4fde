import TestSupport
import Testing

@testable import VerbatimRows

/// What holds for every set of turns, whatever it contains.
@Suite struct RowPropertyTests {
    /// Random conversations: they continue, fork, repeat a prompt, fail, and start sub-agents.
    private func turns(_ generator: inout SeededGenerator) -> [SampleTurn] {
        var turns: [SampleTurn] = []
        for number in 1...generator.int(1...14) {
            let session = generator.pick(["a", "b", "c"])
            let earlier = turns.filter { $0.session == session }
            var prompt = [generator.int(0...2), generator.int(0...2)]
            if let last = generator.chance(80) ? earlier.randomElement(using: &generator) : nil {
                prompt = (last.prompt ?? []) + last.completion + [generator.int(0...2)]
                if generator.chance(20) { prompt[generator.int(0...prompt.count - 1)] = 7 }
                if generator.chance(15) { prompt = last.prompt ?? prompt }
            }
            let completion = (0..<generator.int(0...3)).map { _ in generator.int(0...2) }
            turns.append(
                SampleTurn(
                    session: session, parent: session == "c" ? "a" : nil, turn: number,
                    prompt: generator.chance(90) ? prompt : nil, completion: completion,
                    logprobs: completion.map { _ in generator.chance(95) ? -0.5 : nil },
                    outcome: generator.chance(85) ? "completed" : "client_disconnected",
                    finish: generator.pick(["stop", "length", "tool_calls"]), start: Double(number * 10),
                    request: generator.pick([#"{"model":"m","tools":[{}]}"#, #"{"model":"m"}"#])))
        }
        return turns
    }

    private func encoded(_ turns: [SampleTurn]) throws -> [UInt8] {
        var lines: [UInt8] = []
        for rollout in try rollouts(turns) {
            for row in rollout.rows { RowEncoder.append(row, of: rollout, to: &lines) }
        }
        return lines
    }

    @Test("Rows are exact, train each token once, and account for each turn", arguments: 0..<40)
    func invariants(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        for _ in 0..<10 {
            let turns = turns(&generator)
            var trained: [String: Int] = [:]
            var named: Set<TurnKey> = []
            for rollout in try rollouts(turns) {
                for row in rollout.rows {
                    #expect(row.inputIDs.count == row.lossMask.count && row.inputIDs.count == row.logprobs.count)
                    #expect(zip(row.lossMask, row.logprobs).allSatisfy { $0 || $1 == 0 })
                    #expect(!row.lossMask.prefix(row.promptLength).contains(true))
                    for span in row.spans {
                        let turn = try #require(turns.first { TurnKey(session: $0.session, turn: $0.turn) == span.key })
                        #expect(row.inputIDs[span.completion].elementsEqual(turn.completion.map(UInt32.init)))
                        if let prompt = turn.prompt {
                            #expect(row.inputIDs[..<span.completion.lowerBound].elementsEqual(prompt.map(UInt32.init)))
                        }
                        if row.lossMask[span.completion].contains(true) { trained["\(span.key)", default: 0] += 1 }
                        named.insert(span.key)
                    }
                }
                named.formUnion(rollout.exclusions.map(\.key))
            }
            #expect(trained.values.allSatisfy { $0 == 1 })
            #expect(named == Set(turns.map { TurnKey(session: $0.session, turn: $0.turn) }))
        }
    }

    @Test("The order of the turns changes nothing", arguments: 0..<20)
    func anyOrder(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        for _ in 0..<10 {
            let turns = turns(&generator)
            let expected = try encoded(turns)
            #expect(try encoded(turns.shuffled(using: &generator)) == expected)
            #expect(try encoded(turns + turns) == expected, "the same turns from two files")
        }
    }

    /// The oracle compares arrays, each with each.
    @Test("A turn follows the longest earlier one that its prompt continues", arguments: 0..<20)
    func longestPrefix(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        for _ in 0..<10 {
            let turns = turns(&generator).filter { !$0.completion.isEmpty && $0.prompt != nil }
            for row in try rollouts(turns).flatMap(\.rows) {
                for (before, span) in zip([nil] + row.spans.dropLast().map(Optional.some), row.spans) {
                    let turn = try #require(turns.first { $0.session == span.key.session && $0.turn == span.key.turn })
                    let family: Set = turn.session == "b" ? ["b"] : ["a", "c"]
                    let candidates = turns.filter { other in
                        let sequence = (other.prompt ?? []) + other.completion
                        return family.contains(other.session) && other.turn < turn.turn
                            && (turn.prompt ?? []).starts(with: sequence)
                    }
                    let longest = candidates.map { ($0.prompt ?? []).count + $0.completion.count }.max() ?? 0
                    #expect(longest == before?.completion.upperBound ?? 0)
                }
            }
        }
    }
}
