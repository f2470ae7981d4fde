import MockEngine
import Testing

/// Runs a test that sets time limits: at first with short ones, and if it fails, as it may on a machine that is too busy,
/// once more with ones that are longer than any machine is. Only that counts then.
func withPatience(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: (_ isPatient: Bool) async throws -> Void
) async throws {
    let hasFailed = Monitor(false)
    try await withKnownIssue("The machine may be busy", isIntermittent: true, sourceLocation: sourceLocation) {
        try await body(false)
    } matching: { _ in
        hasFailed.update { $0 = true }
        return true
    }
    if hasFailed.state { try await body(true) }
}
