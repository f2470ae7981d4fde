import Logging
import NIOHTTP1
import Synchronization

/// Requests that make an engine generate on routes that are not captured: their tokens are in no trace.
final class UncapturedGeneration: Sendable {
    private struct State {
        var requests = 0
        var routes: Set<String> = []
    }

    /// Further routes are counted, but not logged: agents choose the paths.
    private static let maximumRoutes = 100

    private let logger: Logger
    private let state = Mutex(State())

    init(logger: Logger) {
        self.logger = logger
    }

    /// How many there were.
    var requests: Int { state.withLock { $0.requests } }

    /// Counts the request if it generates, and logs its route the first time.
    func note(method: HTTPMethod, path: String) {
        guard method == .POST, Self.isGenerating(path) else { return }
        let isNew = state.withLock { state in
            state.requests += 1
            return state.routes.count < Self.maximumRoutes && state.routes.insert(path).inserted
        }
        guard isNew else { return }
        logger.warning(
            "requests to this route generate but are not captured: --only-captured refuses them",
            metadata: ["route": "\(path.prefix(200))"])
    }

    /// The last parts of paths at which engines and hosted APIs generate: vLLM, SGLang, llama.cpp, TGI, Ollama, Triton,
    /// SageMaker, Bedrock, and the captured APIs below another path, as Azure's deployments have it.
    private static let endings: Set<Substring> = [
        "completion", "completions", "responses", "messages", "generate", "generate_stream", "generate_from_input_ids",
        "invocations", "invoke", "invoke-with-response-stream", "converse", "converse-stream", "infill", "infer",
    ]
    /// The last two parts.
    private static let pairs: Set<[Substring]> = [
        ["completions", "batch"], ["responses", "compact"], ["api", "chat"], ["messages", "batches"],
    ]
    /// What follows the name of a model in Google's APIs.
    private static let verbs: Set<Substring> = [
        "generatecontent", "streamgeneratecontent", "batchgeneratecontent", "generatemessage", "generatetext",
        "predict", "rawpredict", "streamrawpredict", "serverstreamingpredict",
    ]

    /// - Parameter path: Of a request that is not captured, without the query.
    static func isGenerating(_ path: String) -> Bool {
        let parts = PathSpelling(path).plain.lowercased().split(separator: "/")
        guard let last = parts.last else { return false }
        if endings.contains(last) || pairs.contains(Array(parts.suffix(2))) { return true }
        guard let colon = last.lastIndex(of: ":") else { return parts == ["generate"] }
        return verbs.contains(last[last.index(after: colon)...])
    }
}
