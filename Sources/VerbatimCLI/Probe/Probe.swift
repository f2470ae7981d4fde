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
    private let trace: String

    /// - Parameter model: nil selects the first model that the engine lists.
    init(proxy: InterceptionProxy, model: String?) async throws {
        self.proxy = proxy
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

    func find(_ cell: ProbeCell) async throws -> ProbeFinding {
        let finding = try await ask(cell, forcesTool: true)
        // Some engines refuse a forced tool call.
        if cell.hasTools, case .failed(let status?, _) = finding.result, status < 500 {
            return try await ask(cell, forcesTool: false)
        }
        return finding
    }

    func logprobsMode() async throws -> LogprobsMode {
        LogprobsMode(cool: try await alternatives(temperature: "0.5"), hot: try await alternatives(temperature: "2"))
    }

    /// Returns the engine's name in the last turn's record.
    func engine() throws -> String { try turns().last?.engine ?? "generic" }

    // MARK: Requests

    private func ask(_ cell: ProbeCell, forcesTool: Bool) async throws -> ProbeFinding {
        let turn = try await post("/v1" + cell.api.route, body: cell.request(model: model, forcesTool: forcesTool))
        return ProbeFinding(cell: cell, turn: turn)
    }

    private func post(_ path: String, body: [UInt8]) async throws -> Turn {
        _ = try await agent.post(path, headers: [("anthropic-version", "2023-06-01")], body: body) { _ in }
        guard let turn = try turns().last else {
            throw CommandFailure(code: EX_SOFTWARE, message: "the turn is not in the trace")
        }
        return turn
    }

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
