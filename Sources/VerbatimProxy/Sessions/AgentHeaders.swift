/// The request headers that say whose turn a request is.
enum AgentHeaders {
    /// Names the session, for whoever can add a header to an agent's requests. It never reaches the engine.
    static let named = "X-Verbatim-Session"

    /// Where agents put their session's id by themselves, in the order in which they are asked.
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

    /// Sub-agents of Claude Code share the session of their main agent and are told apart by these.
    enum ClaudeCode {
        static let agent = "x-claude-code-agent-id"
        /// Missing if the main agent itself is the parent.
        static let parentAgent = "x-claude-code-parent-agent-id"
    }

    /// Sub-agents of Codex are threads of their own within the session of the main thread.
    enum Codex {
        static let thread = "thread-id"
        static let parentThread = "x-codex-parent-thread-id"
        static let session = "session-id"
    }

    /// Sub-agents of OpenCode are sessions of their own, which name the one they come from.
    static let parentSession = "x-parent-session-id"
}
