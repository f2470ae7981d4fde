import VerbatimTesting
import Testing

/// Runs a test that sets time limits: at first with short ones, and if it fails, as it may on a machine that is too busy,
/// once more with ones that are longer than any machine is. Only that counts then.
///
/// A limit that strikes too early may leave the test waiting for what will never come: the first attempt is given up after
/// half a minute.
func withPatience(
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @escaping @Sendable (_ isPatient: Bool) async throws -> Void
) async throws {
    let hasFailed = Monitor(false)
    try await withKnownIssue("The machine may be busy", isIntermittent: true, sourceLocation: sourceLocation) {
        try await withThrowingTaskGroup { attempts in
            attempts.addTask { try await body(false) }
            attempts.addTask {
                try await Task.sleep(for: .seconds(30))
                throw TooBusy()
            }
            defer { attempts.cancelAll() }
            try await attempts.next()
        }
    } matching: { _ in
        hasFailed.update { $0 = true }
        return true
    }
    if hasFailed.state { try await body(true) }
}

private struct TooBusy: Error {}
