import NIOHTTP1
import Testing
import VerbatimAPI
import TestSupport

@testable import VerbatimProxy

@Suite("The session of a request, from its headers and body")
struct SessionIdentityTests {
    private func identity(
        named: String? = nil, _ headers: [(String, String)] = [], _ body: String = "{}"
    ) throws -> SessionIdentity {
        SessionIdentity(
            named: named, headers: HTTPHeaders(headers),
            fields: SessionFields(try RequestDocument(body: Array(body.utf8))))
    }

    private static let uuid = "0195f5a2-7c1e-7b60-9d5e-2f6f0e3a4b5c"

    // MARK: The order of the sources

    /// The sources in order of precedence, each with its own id.
    static let sources: [String] = AgentHeaders.sessions + ["prompt_cache_key", "session_id", "user_id", "metadata"]

    private func request(from first: Int, unusable: Int? = nil) -> (headers: [(String, String)], body: String) {
        func id(_ index: Int) -> String { index == unusable ? "no id!" : "from-\(index)" }
        let count = AgentHeaders.sessions.count
        let headers = AgentHeaders.sessions.indices.filter { $0 >= first }.map { (AgentHeaders.sessions[$0], id($0)) }
        let members = [
            #""prompt_cache_key":"\#(id(count))""#, #""session_id":"\#(id(count + 1))""#,
            #""user_id":"{\"session_id\":\"\#(id(count + 2))\"}""#, #""session_id":"\#(id(count + 3))""#,
        ]
        func joined(_ range: Range<Int>) -> String {
            range.filter { count + $0 >= first }.map { members[$0] + "," }.joined()
        }
        let body = joined(0..<2) + #""metadata":{\#(joined(2..<4).dropLast())}"#
        return (headers.reversed(), "{\(body)}")
    }

    @Test("The first source counts", arguments: sources.indices) func theFirstSourceCounts(index: Int) throws {
        let request = request(from: index)
        #expect(try identity(request.headers, request.body) == SessionIdentity(session: "from-\(index)"))
        #expect(try identity(named: "n", request.headers, request.body) == SessionIdentity(session: "n"))
    }

    @Test("A source without a valid id is passed over", arguments: sources.indices) func invalidIDIsSkipped(
        index: Int
    ) throws {
        let request = request(from: index, unusable: index)
        let next = index + 1 < Self.sources.count ? "from-\(index + 1)" : "default"
        let found = try identity(request.headers, request.body)
        #expect(found == SessionIdentity(session: next, hasUnusableID: true))
        #expect(found.problems == ["session_id_unusable"])
        #expect(try identity(named: "n", request.headers, request.body) == SessionIdentity(session: "n"))
    }

    @Test("A request that names no session belongs to the default")
    func requestWithoutASessionUsesTheDefault() throws {
        #expect(try identity() == SessionIdentity(session: "default"))
        #expect(try identity().problems.isEmpty)
        #expect(try identity([("User-Agent", "x"), ("session", "y"), ("X-Session", "z")]).session == "default")
    }

    @Test("Header names are compared without case")
    func namesOfHeadersHaveNoCase() throws {
        #expect(try identity([("SESSION_ID", "a")]).session == "a")
        #expect(try identity([("x-claude-code-session-id", "b")]).session == "b")
        #expect(
            try identity([("X-LiteLLM-Session-Id", "")]) == SessionIdentity(session: "default", hasUnusableID: true))
    }

    // MARK: Fields

    @Test(
        "Fields of the body name a session",
        arguments: [
            (#"{"prompt_cache_key":"a"}"#, ["a"]), (#"{"prompt_cache_key":null,"session_id":"b"}"#, ["b"]),
            (#"{"session\u005fid":"\u0062"}"#, ["b"]), (#"{"session_id":"a","session_id":"b"}"#, ["b"]),
            (#"{"prompt_cache_key":1,"session_id":["b"]}"#, ["", ""]), (#"{"metadata":{"session_id":"c"}}"#, ["c"]),
            (#"{"metadata":{"user_id":"alice","session_id":"c"}}"#, ["c"]), (#"{"metadata":{"user_id":7}}"#, []),
            (#"{"metadata":{"user_id":{"session_id":"x"}}}"#, []), (#"{"metadata":null}"#, []),
            (#"{"metadata":["session_id","x"]}"#, []), (#"{"metadata":"session_id"}"#, []),
            (#"{"messages":[{"session_id":"x","metadata":{"session_id":"y"}}]}"#, []),
        ])
    func fields(body: String, sessions: [String]) throws {
        #expect(SessionFields(try RequestDocument(body: Array(body.utf8))).sessions == sessions)
    }

    @Test(
        "The user of Claude Code names a session",
        arguments: [
            (#"{"device_id":"d","account_uuid":"","session_id":"s"}"#, "s"), (#"{"session_id":""}"#, ""),
            (#"{"session_id":7}"#, ""), (#"{"session_id":null}"#, nil), ("{}", nil), ("{", nil), ("{}x", nil),
            ("user_4f_account__session_\(uuid)", uuid),
            ("user_4f_account_\(uuid)_session_\(uuid.uppercased())", uuid.uppercased()),
            ("user_session_\(uuid)", uuid), ("user__session_\(uuid)", uuid), ("user_4f_session_\(uuid)0", nil),
            ("user_4f_session_\(uuid.dropLast())", nil), ("user_4f_session_\(uuid.dropLast())g", nil),
            ("user_4f_session_0195f5a27c1e-7b60-9d5e-2f6f0e3a4b5c-", nil), ("4f_session_\(uuid)", nil), (uuid, nil),
            ("user_4f_session_", nil), ("user_", nil), ("", nil), ("alice", nil), ("user_ü_session_\(uuid)", uuid),
        ])
    func usersOfClaudeCode(user: String, session: String?) throws {
        #expect(SessionFields.session(ofUser: user) == session)
    }

    // MARK: Sub-agents

    struct SubAgent: Sendable, CustomStringConvertible {
        let description: String
        var named: String?
        var headers: [(String, String)] = []
        var body = "{}"
        let session: String
        var parent: String?
        var hasUnusableID = false
    }

    private static let claude = ("X-Claude-Code-Session-Id", "s")
    private static let claudeAgent = ("x-claude-code-agent-id", "a")
    private static let claudeParent = ("x-claude-code-parent-agent-id", "p")
    private static let codex = [("session-id", "root"), ("thread-id", "t"), ("x-codex-parent-thread-id", "root")]
    private static let openCode = [
        ("X-Session-Id", "child"), ("x-session-affinity", "child"), ("x-parent-session-id", "p"),
    ]
    private static let vibe = #"{"metadata":{"session_id":"child","parent_session_id":"p","call_type":"x"}}"#
    private static let long = String(repeating: "l", count: 200)

    static let subAgents: [SubAgent] = [
        .init(description: "Claude Code", headers: [claude, claudeAgent], session: "s:a", parent: "s"),
        .init(
            description: "Claude Code, nested", headers: [claude, claudeAgent, claudeParent], session: "s:a",
            parent: "s:p"),
        .init(
            description: "Claude Code, session in the body", headers: [claudeAgent],
            body: #"{"metadata":{"user_id":"{\"session_id\":\"b\"}"}}"#, session: "b:a", parent: "b"),
        .init(description: "Claude Code, no session", headers: [claudeAgent], session: "default:a", parent: "default"),
        .init(
            description: "Claude Code, named", named: "n", headers: [claude, claudeAgent], session: "n:a", parent: "n"),
        .init(
            description: "Claude Code, named and nested", named: "n", headers: [claude, claudeAgent, claudeParent],
            session: "n:a", parent: "n:p"),
        .init(description: "Claude Code, main agent", headers: [claude, claudeParent], session: "s"),
        .init(
            description: "Claude Code, bad agent", headers: [claude, ("x-claude-code-agent-id", "a b")], session: "s",
            hasUnusableID: true),
        .init(
            description: "Claude Code, bad parent",
            headers: [claude, claudeAgent, ("x-claude-code-parent-agent-id", "")],
            session: "s:a", parent: "s", hasUnusableID: true),
        .init(
            description: "Claude Code, too long together", headers: [("X-Claude-Code-Session-Id", long), claudeAgent],
            session: long, hasUnusableID: true),
        .init(description: "Codex", headers: codex, session: "t", parent: "root"),
        .init(description: "Codex, main thread", headers: Array(codex.prefix(2)), session: "root"),
        .init(
            description: "Codex, before other headers", headers: [("X-Session-Id", "x")] + codex, session: "t",
            parent: "root"),
        .init(description: "Codex, named", named: "n", headers: codex, session: "n:t", parent: "n"),
        .init(
            description: "Codex, named and nested", named: "n",
            headers: Array(codex.prefix(2)) + [("x-codex-parent-thread-id", "u")], session: "n:t", parent: "n:u"),
        .init(
            description: "Codex, named, root unknown", named: "n", headers: Array(codex.dropFirst()), session: "n:t",
            parent: "n"),
        .init(
            description: "Codex, bad parent", headers: Array(codex.prefix(2)) + [("x-codex-parent-thread-id", "?")],
            session: "t", hasUnusableID: true),
        .init(
            description: "Codex, bad parent, named", named: "n",
            headers: Array(codex.prefix(2)) + [("x-codex-parent-thread-id", "?")], session: "n:t", parent: "n",
            hasUnusableID: true),
        .init(
            description: "Codex, no thread", headers: Array(codex.suffix(1)), body: #"{"prompt_cache_key":"k"}"#,
            session: "k", parent: "root"),
        .init(description: "Codex, nobody is its own parent", headers: [codex[0], codex[2]], session: "root"),
        .init(description: "OpenCode", headers: openCode, session: "child", parent: "p"),
        .init(description: "OpenCode, main agent", headers: Array(openCode.prefix(2)), session: "child"),
        .init(description: "OpenCode, named", named: "n", headers: openCode, session: "n:child", parent: "n"),
        .init(
            description: "OpenCode, nothing but a parent, named", named: "n", headers: Array(openCode.suffix(1)),
            session: "n", parent: "p"),
        .init(
            description: "OpenCode, named like itself", named: "child", headers: openCode, session: "child", parent: "p"
        ),
        .init(
            description: "OpenCode, bad parent", headers: [openCode[0], ("x-parent-session-id", "p/q")],
            session: "child",
            hasUnusableID: true),
        .init(
            description: "OpenCode, too long together", named: long, headers: openCode, session: long, parent: "p",
            hasUnusableID: true),
        .init(description: "Vibe", body: vibe, session: "child", parent: "p"),
        .init(
            description: "Vibe, with its header", headers: [("x-affinity", "f")], body: vibe, session: "f", parent: "p"),
        .init(description: "Vibe, named", named: "n", body: vibe, session: "n:child", parent: "n"),
        .init(
            description: "Vibe, bad parent", body: #"{"metadata":{"session_id":"c","parent_session_id":1}}"#,
            session: "c",
            hasUnusableID: true),
        .init(
            description: "Vibe, no parent", body: #"{"metadata":{"session_id":"c","parent_session_id":null}}"#,
            session: "c"),
    ]

    @Test("Sub-agents have sessions of their own", arguments: subAgents) func subAgentsHaveASessionOfTheirOwn(
        example: SubAgent
    ) throws {
        let expected = SessionIdentity(
            session: example.session, parent: example.parent, hasUnusableID: example.hasUnusableID)
        #expect(try identity(named: example.named, example.headers, example.body) == expected)
        #expect(try identity(named: example.named, example.headers.reversed(), example.body) == expected)
    }
}
