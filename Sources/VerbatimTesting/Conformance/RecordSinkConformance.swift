internal import Synchronization
import VerbatimJSON
import VerbatimSchema
package import VerbatimTrace

/// Checks that a sink does what the proxy relies on. Each implementation of `RecordSink` runs it in its tests.
///
///     let violations = await RecordSinkConformance {
///         let sink = InMemorySink()
///         return .init(sink: sink) { sink.records.map { ($0.sessionID, $0.turn) } }
///     }.violations()
package struct RecordSinkConformance: Sendable {
    /// A new sink, and a view of what it has persisted.
    package struct Subject: Sendable {
        let sink: any RecordSink
        let persisted: @Sendable () throws -> [(session: String, turn: Int)]

        /// - Parameter persisted: Returns the session and turn of each persisted record, in order.
        package init(
            sink: any RecordSink, persisted: @escaping @Sendable () throws -> [(session: String, turn: Int)]
        ) {
            self.sink = sink
            self.persisted = persisted
        }

        /// The number of the next turn of a session in the rollout `a`, as the proxy asks for it.
        func nextTurn(inSession session: String) async -> Int? {
            let place = SessionPlace(session: session, root: "a")
            while true {
                if let rollout = sink.rollout(of: place) {
                    switch sink.nextTurn(inSession: session, of: rollout) {
                    case .turn(let number): return number
                    case .tooManySessions: return nil
                    case .unprepared: break
                    }
                }
                let result = await withCheckedContinuation { continuation in
                    sink.prepare(place) { continuation.resume(returning: $0) }
                }
                if case .failure = result { return nil }
            }
        }
    }

    private let makeSubject: @Sendable () throws -> Subject

    /// - Parameter makeSubject: Returns an open sink without records. Called once for each rule.
    package init(_ makeSubject: @escaping @Sendable () throws -> Subject) {
        self.makeSubject = makeSubject
    }

    /// Returns the rules that the sink breaks: none if it conforms.
    package func violations() async -> [ConformanceViolation] {
        var violations: [ConformanceViolation] = []
        for rule in Self.rules {
            do {
                let subject = try makeSubject()
                let observed = try await rule.check(subject)
                subject.sink.close()
                if let observed {
                    violations.append(ConformanceViolation(subject: "record sink", rule: rule.name, observed: observed))
                }
            } catch {
                violations.append(
                    ConformanceViolation(subject: "record sink", rule: rule.name, observed: "error: \(error)"))
            }
        }
        return violations
    }

    private struct Rule: Sendable {
        let name: String
        /// Returns what the sink does instead, or nil.
        let check: @Sendable (Subject) async throws -> String?
    }

    private static let rules: [Rule] = [
        Rule(name: "the turns of each session are numbered 1, 2, …") { subject in
            var numbers: [Int?] = []
            for session in ["a", "a", "b", "a", "b"] { numbers.append(await subject.nextTurn(inSession: session)) }
            return numbers == [1, 2, 1, 3, 2] ? nil : "\(numbers)"
        },
        Rule(name: "no number is given twice, even to concurrent callers") { subject in
            let numbers = await withTaskGroup(of: Int?.self) { group in
                for _ in 0..<200 { group.addTask { await subject.nextTurn(inSession: "a") } }
                return await group.reduce(into: []) { $0.append($1) }
            }
            return Set(numbers) == Set(1...200) ? nil : "\(numbers.compactMap(\.self).sorted())"
        },
        Rule(name: "an open sink does not refuse turns") { subject in
            subject.sink.refusal.map { "refusal: \($0)" }
        },
        Rule(name: "a session belongs to the rollout that is named, else to that of its parent") { subject in
            for (place, expected) in [
                (SessionPlace(session: "r:sub", parent: "r", root: "r"), "r"), (SessionPlace(session: "main"), "main"),
                (SessionPlace(session: "sub", parent: "main"), "main"),
            ] {
                let result = await withCheckedContinuation { continuation in
                    subject.sink.prepare(place) { continuation.resume(returning: $0) }
                }
                guard case .success(expected) = result else { return "\(place.session): \(result)" }
                if subject.sink.rollout(of: place) != expected { return "\(place.session) is forgotten" }
                if let reason = subject.sink.refusal(of: expected) { return "refusal: \(reason)" }
            }
            return nil
        },
        Rule(name: "records are persisted and reported once, in the order of submission") { subject in
            let reports = Reports()
            subject.sink.record((1...20).map { reports.submission($0) })
            for turn in 21...30 { subject.sink.record([reports.submission(turn)]) }
            await reports.waitUntil(count: 30)
            if reports.persistedTurns != Array(1...30) { return "reported: \(reports.description)" }
            let persisted = try subject.persisted().map(\.turn)
            return persisted == Array(1...30) ? nil : "persisted: \(persisted)"
        },
        Rule(name: "the records of each session stay in order while several threads submit") { subject in
            let reports = Reports()
            await withTaskGroup { group in
                for session in 0..<8 {
                    group.addTask {
                        for turn in 1...25 { subject.sink.record([reports.submission(turn, session: "\(session)")]) }
                    }
                }
            }
            await reports.waitUntil(count: 200)
            let persisted = try subject.persisted()
            for session in 0..<8 {
                let turns = persisted.filter { $0.session == "\(session)" }.map(\.turn)
                if turns != Array(1...25) { return "session \(session): \(turns)" }
            }
            return nil
        },
        Rule(name: "no submission is allowed") { subject in
            subject.sink.record([])
            let persisted = try subject.persisted()
            return persisted.isEmpty ? nil : "persisted: \(persisted)"
        },
        Rule(name: "reopening a working sink reports success once and loses nothing") { subject in
            let reports = Reports()
            subject.sink.record([reports.submission(1)])
            let error = await withCheckedContinuation { continuation in
                subject.sink.reopen { continuation.resume(returning: $0) }
            }
            if let error { return "error: \(error)" }
            subject.sink.record([reports.submission(2)])
            await reports.waitUntil(count: 2)
            return reports.persistedTurns == [1, 2] ? nil : "reported: \(reports.description)"
        },
        Rule(name: "closing reports all submissions before it returns") { subject in
            let reports = Reports()
            subject.sink.record((1...50).map { reports.submission($0) })
            subject.sink.close()
            if reports.persistedTurns != Array(1...50) { return "reported: \(reports.description)" }
            let persisted = try subject.persisted().map(\.turn)
            return persisted == Array(1...50) ? nil : "persisted: \(persisted)"
        },
        Rule(name: "a closed sink refuses turns, fails each submission once, and can be closed again") { subject in
            subject.sink.close()
            if subject.sink.refusal == nil { return "no refusal" }
            subject.sink.noteRefusedTurn()
            let reports = Reports()
            subject.sink.record((1...3).map { reports.submission($0) })
            await reports.waitUntil(count: 3)
            subject.sink.close()
            if reports.failedTurns != [1, 2, 3] || !reports.persistedTurns.isEmpty {
                return "reported: \(reports.description)"
            }
            let persisted = try subject.persisted()
            return persisted.isEmpty ? nil : "persisted: \(persisted)"
        },
    ]
}

/// What a sink has reported, in order.
private final class Reports: Sendable {
    private let stored = Mutex<[(turn: Int, isPersisted: Bool)]>([])

    func submission(_ turn: Int, session: String = "a") -> RecordSubmission {
        RecordSubmission(SharedRecord(.conformanceSample(turn: turn, session: session))) { result in
            let isPersisted = if case .success = result { true } else { false }
            self.stored.withLock { $0.append((turn, isPersisted)) }
        }
    }

    var persistedTurns: [Int] { stored.withLock { $0.filter(\.isPersisted).map(\.turn) } }
    var failedTurns: [Int] { stored.withLock { $0.filter { !$0.isPersisted }.map(\.turn) } }
    var description: String { "persisted \(persistedTurns), failed \(failedTurns)" }

    /// Waits for reports, which may come on another thread. The test's own time limit ends an endless wait.
    func waitUntil(count: Int) async {
        while stored.withLock({ $0.count }) < count { await Task.yield() }
        // A report that comes twice may come a little later.
        for _ in 0..<10 { await Task.yield() }
    }
}

extension TurnRecord {
    fileprivate static func conformanceSample(turn: Int, session: String) -> TurnRecord {
        TurnRecord(
            turn: turn, sessionID: session, dialect: "chat.completions", path: "/v1/chat/completions", isStream: false,
            outcome: .completed, status: 200, isHeadSent: false, request: EditedText(Array("{}".utf8)),
            response: JSONText(),
            level: .text, isComplete: true, timestamp: 0, latency: 0)
    }
}
