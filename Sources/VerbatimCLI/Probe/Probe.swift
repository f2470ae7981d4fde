import VerbatimAPI
import VerbatimJSON
import Verbatim
import VerbatimPlatform

/// Sends an engine every kind of request that an agent may make, through a real proxy, and reads what the trace holds
/// of it.
struct Probe {
    let proxy: InterceptionProxy
    let model: String
    private let agent: SimpleHTTPClient
    /// What a reply said that ended by itself.
    private var texts: [API: String] = [:]
    private var isEngineGone = false
    /// How often a record or an engine that is missing is looked for, at intervals of ``pause``.
    private let patience: Int
    private let trace: String

    /// - Parameter model: nil selects the first model that the engine lists.
    init(proxy: InterceptionProxy, model: String?, patience: Int = 20) async throws {
        self.proxy = proxy
        self.patience = patience
        trace = proxy.configuration.trace
        agent = SimpleHTTPClient(host: proxy.configuration.host, port: proxy.port)
        // Needed even if the model is known: the proxy recognizes some engines by their list of models.
        let list = try await agent.get("/v1/models")
        if list.status == 502 || list.status == 504 {
            throw CommandFailure(
                code: EX_UNAVAILABLE, message: Self.message(in: list.body) ?? "the engine does not respond")
        }
        guard let model = model ?? Self.firstModel(in: list.body) else {
            throw CommandFailure(
                code: EX_UNAVAILABLE,
                message: "the engine lists no models (status \(list.status)): name one with --model")
        }
        self.model = model
    }

    /// Asks the engine for a reply that ends as the cell says. An engine that dies over it is a finding; if it does not
    /// come back soon, the kinds of request after it are not asked for.
    mutating func find(_ cell: ProbeCell) async -> ProbeFinding {
        if isEngineGone { return ProbeFinding(cell: cell, failure: "not asked: the engine is gone") }
        var finding = await ask(cell, forcesTool: true)
        // Some engines refuse a forced tool call.
        if cell.hasTools, case .failed(let status?, _) = finding.result, 400..<500 ~= status {
            finding = await ask(cell, forcesTool: false)
        }
        if cell.ending == .stop, !finding.text.isEmpty { texts[cell.api] = finding.text }
        if case .failed = finding.result { isEngineGone = await !engineResponds() }
        return finding
    }

    func logprobsMode() async -> LogprobsMode {
        if isEngineGone { return .unknown }
        do {
            return LogprobsMode(
                cool: try await alternatives(temperature: "0.5"), hot: try await alternatives(temperature: "2"))
        } catch {
            return .unknown
        }
    }

    /// Returns the engine's name in the last turn's record.
    func engine() throws -> String { try turns().last?.engine ?? "generic" }

    // MARK: Requests

    private func ask(_ cell: ProbeCell, forcesTool: Bool) async -> ProbeFinding {
        var finding: ProbeFinding?
        for stopString in stopStrings(for: cell) {
            let request = ProbeRequest(cell: cell, model: model, forcesTool: forcesTool, stopString: stopString)
            let asked: ProbeFinding
            do {
                let turn = try await post("/v1" + cell.api.route, body: request.body)
                asked = ProbeFinding(request, turn: turn)
            } catch {
                return ProbeFinding(cell: cell, failure: (error as? CommandFailure)?.message ?? "\(error)")
            }
            finding = asked
            if asked.hasAskedEnding { break }
            if case .captured = asked.result { continue }
            break
        }
        return finding ?? ProbeFinding(cell: cell, failure: "not asked")
    }

    /// The stop strings to try in turn, from a reply that ended by itself; one of any kind for another ending.
    private func stopStrings(for cell: ProbeCell) -> [String] {
        guard cell.ending == .stopString else { return [""] }
        let candidates = StopStrings.candidates(from: texts[cell.api] ?? "")
        return candidates.isEmpty ? ["e"] : candidates
    }

    private func post(_ path: String, body: [UInt8]) async throws -> Turn {
        let before = try turns().count
        // A connection that breaks within the reply is the engine's doing: the record says what came.
        let failure: (any Error)?
        do {
            _ = try await agent.post(path, headers: [("anthropic-version", "2023-06-01")], body: body) { _ in }
            failure = nil
        } catch {
            failure = error
        }
        for _ in 0..<max(1, patience) {
            if let turn = try turns().dropFirst(before).last { return turn }
            // The record is there before the reply ends, unless the reply was cut off.
            try await Task.sleep(for: Self.pause)
        }
        throw CommandFailure(
            code: EX_SOFTWARE, message: failure.map { "no record: \($0)" } ?? "the turn is not in the trace")
    }

    /// Whether the engine lists its models, now or within some seconds: one that died may be started again.
    private func engineResponds() async -> Bool {
        for attempt in 0..<max(1, patience) {
            if attempt > 0 { try? await Task.sleep(for: Self.pause) }
            let status = (try? await agent.get("/v1/models"))?.status
            if let status, status != 502, status != 503, status != 504 { return true }
        }
        return false
    }

    private static let pause = Duration.milliseconds(250)

    private func turns() throws -> [Turn] {
        do {
            return try TraceReader(path: trace).turns().turns
        } catch {
            throw CommandFailure(error)
        }
    }

    /// Returns the log-probabilities of the first token's alternatives, by token.
    private func alternatives(temperature: String) async throws -> [String: Double] {
        let body = JSONWriter.bytes { json in
            json.object { json in
                json.member("model", model)
                json.array("messages") { json in
                    json.object { json in
                        json.member("role", "user")
                        json.member("content", "Say hello.")
                    }
                }
                json.member("max_tokens", 1)
                json.key("temperature")
                json.raw(Array(temperature.utf8))
            }
        }
        let record = try await post("/v1/chat/completions", body: body).json
        return Self.alternatives(in: record.span)
    }

    private static func alternatives(in record: Span<UInt8>) -> [String: Double] {
        let turn = try? JSONObject(document: record, options: .trace)
        let first = turn?.value("logprobs", in: record)?.elements(in: record)?.first?.object(in: record)
        let entries = first?.value("top_logprobs", in: record)?.elements(in: record) ?? []
        var found: [String: Double] = [:]
        for entry in entries.compactMap({ $0.object(in: record) }) {
            guard let token = entry.value("token", in: record)?.string(in: record) else { continue }
            found[token] = entry.value("logprob", in: record)?.double(in: record)
        }
        return found
    }

    // MARK: The list of models

    private static func firstModel(in body: [UInt8]) -> String? {
        let document = try? JSONObject(document: body.span)
        let model = document?.value("data", in: body.span)?.elements(in: body.span)?.first?.object(in: body.span)
        return model?.value("id", in: body.span)?.string(in: body.span)
    }

    private static func message(in body: [UInt8]) -> String? {
        let document = try? JSONObject(document: body.span)
        let error = document?.value("error", in: body.span)?.object(in: body.span)
        return error?.value("message", in: body.span)?.string(in: body.span)
    }
}
