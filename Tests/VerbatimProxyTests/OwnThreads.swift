import VerbatimTesting
import Testing

/// Runs a suite's tests on threads of their own.
///
/// All tests of a process share as many threads as there are cores. Beside tests that only compute, a test that talks
/// over sockets would wait for them at each `await`, for longer than any time limit that it sets for the proxy.
struct OwnThreads: SuiteTrait, TestTrait, TestScoping {
    let isRecursive = true

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await withTaskExecutorPreference(ScriptExecutor.shared) { try await function() }
    }
}

extension Trait where Self == OwnThreads {
    static var onOwnThreads: OwnThreads { OwnThreads() }
}
