import Testing
import VerbatimTesting

/// Runs the tests of a suite on their own threads.
///
/// All tests of a process share as many threads as there are cores. A test that talks over sockets would wait at each
/// `await` for tests that compute.
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
