import NIOHTTP1
import Testing
import VerbatimAPI

@testable import VerbatimProxy
import VerbatimHTTP

/// The plain form of a path, its loose readings and its faults.
struct PathSpellingTests {
    @Test(
        "A path has one plain form",
        arguments: [
            ("/", "/"), ("/v1/models", "/v1/models"), ("/v1/models/", "/v1/models"), ("//", "/"),
            ("/a//b///c", "/a/b/c"), ("//a", "/a"), ("/.", "/"), ("/./a/.", "/a"), ("/a/../b", "/b"), ("/a/b/..", "/a"),
            ("/a/..", "/"), ("/a/.../b", "/a/.../b"), ("/.a/..b/c.", "/.a/..b/c."), ("/%61%41%7a%5A%30%39", "/aAzZ09"),
            ("/%2D%2e%5F%7E", "/-._~"), ("/a/%2e%2E/b", "/b"), ("/a/.%2e/b", "/b"), ("/%2e/a", "/a"),
            // Escapes of reserved characters stay, and so do invalid escapes.
            ("/a%2Fb", "/a%2Fb"), ("/a%3Ab", "/a%3Ab"), ("/%zz%4%", "/%zz%4%"), ("/%2561", "/%2561"),
            ("/A/B", "/A/B"), ("/a;b/c", "/a;b/c"), ("/a\\b", "/a\\b"),
        ])
    func thePlainestForm(path: String, plain: String) {
        #expect(PathSpelling(path).plain == plain)
        #expect(PathSpelling(plain).plain == plain, "there is no plainer one")
    }

    @Test(
        "A plain path has no loose readings",
        arguments: ["/v1/models", "/", "/v1/chat/completions", "/a.b/c-d_e~f:g@h", "/Upper"])
    func plainPathHasNoLooseReadings(path: String) {
        let spelling = PathSpelling(path)
        #expect(spelling.plain == path && spelling.loose.isEmpty && spelling.fault == nil)
    }

    @Test(
        "Loose readings of a path are found",
        arguments: [
            ("/a%2Fb", ["/a/b"]), ("/a%252fb", ["/a/b"]), ("/a%25252fb", ["/a/b"]), ("/a\\B", ["/a/b"]),
            ("/a%5cb", ["/a/b"]), ("/a%20", ["/a"]), ("/a%0d%0a", ["/a"]), ("/a;b/c", ["/a;b/c", "/a/c"]),
            ("/a%3Bb", ["/a;b", "/a"]), ("/a%3fb/../c", ["/c", "/a"]), ("/a%23b", ["/a#b", "/a"]),
            ("/a/;b/c", ["/a/;b/c", "/a/c"]),
        ])
    func looseReadings(path: String, loose: [String]) {
        #expect(PathSpelling(path).loose == loose)
    }

    @Test(
        "Faults of a path are found",
        arguments: [
            ("/%00", .nul), ("/a%2500b", .nul), ("/..", .aboveRoot), ("/../a", .aboveRoot), ("/a/../../b", .aboveRoot),
            ("/%2e%2E/a", .aboveRoot), ("/a/..", nil), ("/a/b/../..", nil), ("/a%2f..", nil),
        ] as [(String, PathSpelling.Fault?)])
    func faults(path: String, fault: PathSpelling.Fault?) {
        #expect(PathSpelling(path).fault == fault)
    }

    @Test("An escape that appears when another is resolved is read as a loose form")
    func nestedEscapeIsALooseReading() {
        let spelling = PathSpelling("/%%36%31")
        #expect(spelling.plain == "/%61" && spelling.loose == ["/a"])
    }

    @Test("The work for nested escapes is linear in the length of the path")
    func deepEscapes() {
        let path = "/" + String(repeating: "%25", count: 20_000) + "61"
        #expect(PathSpelling(path).plain == path)
    }
}

/// Which requests are captured, forwarded and refused.
struct RouteTableTests {
    private func fate(
        _ method: String, _ path: String, base: String = "/v1", onlyCaptured: Bool = false
    ) throws -> String {
        let upstream = try UpstreamURL("http://engine:8000\(base)")
        switch RouteTable(upstream: upstream, onlyCaptured: onlyCaptured).route(
            method: HTTPMethod(rawValue: method), path: path)
        {
        case .captured(let api): return api.rawValue
        case .forwarded: return "forwarded"
        case .refused(let reply): return String(reply.status.code)
        }
    }

    @Test(
        "Other spellings of a captured route are captured",
        arguments: [
            "/v1/chat/completions", "/chat/completions", "/v1/chat/completions/", "/v1/chat/completions//",
            "/v1/%63hat/completions", "/%76%31/chat/completion%73", "//v1/chat/completions", "/v1//chat///completions",
            "/v1/./chat/completions", "/v1/x/../chat/completions", "/x/%2e%2e/v1/chat/completions",
            "/v1/chat/completions/.",
            "/v1/chat/x/../completions", "/V1/Chat/Completions", "/v1/CHAT/completions", "/%56%31/chat/completions",
            "/v1/v1/../chat/completions", "/v1/x%3f/../chat/completions", "/sessions/x/../../v1/chat/completions",
        ])
    func spellingsOfACapturedRoute(path: String) throws {
        for base in ["/v1", "/api/v1", "/openai"] {
            #expect(try fate("POST", path, base: base) == "chat.completions")
        }
    }

    @Test(
        "Paths that could be taken for a captured route are refused",
        arguments: [
            "/v1/chat%2Fcompletions", "/v1%2fchat%2fcompletions", "/%2Fv1/chat/completions", "/v1/chat/completions;x",
            "/v1;a=b/chat/completions", "/v1/chat/completions%3f", "/v1/chat/completions%3Fa=b",
            "/v1/chat/completions%23x",
            "/v1/chat/completions%20", "/v1/chat/completions%0d%0a", "/v1/chat/completions%09",
            "/v1\\chat\\completions",
            "/v1/chat%5ccompletions", "/v1/%2563hat/completions", "/v1/%252563hat/completions",
            "/v1/x%2f..%2fchat/completions",
            "/v1/chat/completions%00", "/v1/chat/completions%00.txt",
            "/../v1/chat/completions",
            "/v1/../../v1/chat/completions", "/v1/chat/completions/%3b", "/v1/chat/completions%7F",
        ])
    func ambiguousPathsAreRefused(path: String) throws {
        #expect(try fate("POST", path) == "400")
        #expect(try fate("POST", path, base: "/api/v1") == "400")
    }

    @Test(
        "All other paths are forwarded",
        arguments: [
            "/v1/embeddings", "/v1/chat/completionsx", "/v2/chat/completions", "/x/v1/chat/completions",
            "/v1/v1/chat/completions",
            "/tokenize", "/completion", "/completions", "/v1/models/org%2Fmodel", "/v1/files/a%20b", "/a;b/c", "/a\\b",
            "*",
            "/v1/chat/completions/x", "/v1/chat", "/v1/messages/count_tokens", "/v1/responses/resp_1/cancel", "/a/../b",
            "/%7Bx%7D",
        ])
    func otherPathsAreForwarded(path: String) throws {
        #expect(try fate("POST", path) == "forwarded")
    }

    @Test("The routes of an engine with a base path are below it")
    func theEnginesOwnRoutes() throws {
        for path in [
            "/api/v1/chat/completions", "/API/v1/chat/completions/", "/v1/../api/v1/chat/completions",
            "/v1/../v1/chat/completions", "/%61pi/v1/chat/completions",
        ] {
            #expect(try fate("POST", path, base: "/api/v1") == "chat.completions")
        }
        // `/v1` is replaced by the base path before the engine resolves the rest.
        #expect(try fate("POST", "/v1/../v3/chat/completions", base: "/api/v3") == "chat.completions")
        #expect(try fate("POST", "/v1/..%2fv3/chat/completions", base: "/api/v3") == "400")
        #expect(try fate("POST", "/api/v1/chat%2Fcompletions", base: "/api/v1") == "400")
        #expect(try fate("POST", "/api/v1/completions", base: "/api/v1") == "completions")
        #expect(try fate("POST", "/api/v1/embeddings", base: "/api/v1") == "forwarded")
    }

    @Test("Every API has a captured route", arguments: API.allCases)
    func everyDialect(api: API) throws {
        #expect(try fate("POST", "/v1\(api.route)") == api.rawValue)
        #expect(try fate("POST", "//v1/.\(api.route.uppercased())/") == api.rawValue)
        for method in ["GET", "PUT", "DELETE", "OPTIONS", "HEAD"] {
            #expect(try fate(method, "/v1\(api.route)") == "forwarded")
        }
    }

    @Test(
        "With --only-captured no other route is forwarded but the list of models",
        arguments: [
            ("GET", "/v1/models", "forwarded"), ("HEAD", "/v1/models", "forwarded"), ("GET", "/models", "forwarded"),
            ("GET", "/v1/models/org/model", "forwarded"), ("GET", "/v1/models/org%2Fmodel", "forwarded"),
            ("GET", "/v1/models/", "forwarded"), ("POST", "/v1/models", "403"), ("DELETE", "/v1/models/m", "403"),
            ("GET", "/v1/models/../../slots", "403"), ("GET", "/v1/models/..%2f..%2fslots", "403"),
            ("GET", "/v1/models/%2e%2e/chat", "403"), ("GET", "/v1/modelsx", "403"), ("GET", "/metrics", "403"),
            ("POST", "/completion", "403"), ("POST", "/generate", "403"), ("POST", "/v1/embeddings", "403"),
            ("POST", "/tokenize", "403"), ("OPTIONS", "*", "403"), ("PUT", "/v1/chat/completions", "403"),
            ("POST", "/v1/messages/count_tokens", "403"), ("POST", "/v1/chat/completions", "chat.completions"),
            ("POST", "/v1/%63hat/completions", "chat.completions"), ("POST", "/v1/chat%2fcompletions", "400"),
        ])
    func onlyCaptured(method: String, path: String, expected: String) throws {
        #expect(try fate(method, path, onlyCaptured: true) == expected)
    }
}
