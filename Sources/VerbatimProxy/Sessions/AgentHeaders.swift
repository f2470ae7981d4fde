/// The request headers that identify the session of a request.
enum AgentHeaders {
    /// Names the session explicitly. It never reaches the engine.
    static let named = "X-Verbatim-Session"

    /// Headers in which agents send their session's id by themselves, in order of precedence.
    static let sessions = [
        "X-Session-Id",  // OpenCode
        "x-session-affinity",  // OpenCode
        "session-id",  // Codex
        "thread-id",  // Codex
        "session_id",  // Codex, older
        "conversation_id",  // Codex, older
        "X-Claude-Code-Session-Id",
        "x-litellm-session-id",  // OpenHands and others that use LiteLLM
        "x-affinity",  // Mistral Vibe
    ]

    /// Sub-agents of Claude Code share the session of their main agent; these headers tell them apart.
    enum ClaudeCode {
        static let agent = "x-claude-code-agent-id"
        /// Absent if the main agent is the parent.
        static let parentAgent = "x-claude-code-parent-agent-id"
    }

    /// Sub-agents of Codex are threads within the session of the main thread.
    enum Codex {
        static let thread = "thread-id"
        static let parentThread = "x-codex-parent-thread-id"
        static let session = "session-id"
    }

    /// Sub-agents of OpenCode are sessions that name their parent.
    static let parentSession = "x-parent-session-id"
}
