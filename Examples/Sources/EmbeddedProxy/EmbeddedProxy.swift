import Foundation
import Verbatim

/// Runs an agent with a proxy between it and an engine, and reports what was captured:
///
///     swift run EmbeddedProxy http://127.0.0.1:8000 my-agent --task "fix the build"
@main
struct EmbeddedProxy {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        guard let engine = arguments.first, arguments.count > 1 else {
            print("usage: EmbeddedProxy ENGINE-URL COMMAND [ARGUMENT…]")
            exit(64)
        }

        var configuration = ProxyConfiguration(upstreamURL: engine)
        configuration.port = 0  // any free port
        configuration.trace = "rollout.jsonl"
        let status: Int32
        do {
            status = try await withInterceptionProxy(configuration: configuration) { proxy in
                try await run(Array(arguments.dropFirst()), environment: ["OPENAI_BASE_URL": proxy.url])
            }
        } catch let error as ProxyError {
            print("error: \(error.message)")
            exit(error.code == .invalidConfiguration ? 64 : 69)
        }

        // Every turn is in the trace before its reply ends, so the trace is complete here.
        let turns = try TraceReader(path: configuration.trace).turns().turns
        for turn in turns {
            print("turn \(turn.number): \(turn.outcome.rawValue), \(turn.completionTokenIDs.count) tokens")
        }
        exit(status)
    }

    /// Runs a command and returns its exit code.
    private static func run(_ command: [String], environment: [String: String]) async throws -> Int32 {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = command
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
        return try await withCheckedThrowingContinuation { continuation in
            process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
            do { try process.run() } catch { continuation.resume(throwing: error) }
        }
    }
}
