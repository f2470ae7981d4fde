import VerbatimSchema
import Testing

@testable import VerbatimProxy

@Suite("Session ids, and paths that name one")
struct SessionIDTests {
    @Test(
        "Valid session ids",
        arguments: [
            "a", "Z", "0", "-", "_", "~", "...", "a.b", ".a", "rollout-17", "Az09-_.:@+=~", "default",
            "0195f5a2-7c1e-7b60-9d5e-2f6f0e3a4b5c", String(repeating: "x", count: 200),
        ])
    func ids(id: String) { #expect(SessionID.isValid(id)) }

    @Test(
        "Invalid session ids",
        arguments: [
            "", ".", "..", "a b", "a/b", "a%b", "a,b", "a\nb", "a\u{0}", "ä", "😀", "a\u{301}", "\"a\"", "{}", "a;b",
            "a?b",
            "a#b", "a\\b", "a*", "[a]", String(repeating: "x", count: 201),
        ])
    func invalidIDsAreRejected(id: String) { #expect(!SessionID.isValid(id)) }

    @Test("Every byte of an id is checked")
    func everyByteIsChecked() {
        let allowed = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:@+=~".utf8)
        for byte in UInt8(0)..<128 {
            #expect(SessionID.isValid("a" + String(UnicodeScalar(byte))) == allowed.contains(byte), "\(byte)")
        }
    }

    @Test("The rule names the allowed characters")
    func ruleNamesTheAllowedCharacters() {
        #expect(SessionID.rule.contains("1 to 200") && SessionID.rule.contains("-_.:@+=~"))
    }

    // MARK: Paths

    @Test(
        "A path prefix names a session",
        arguments: [
            ("/sessions/a/v1", "a", "/v1"), ("/sessions/a/v1/", "a", "/v1/"),
            ("/sessions/a/v1/chat/completions", "a", "/v1/chat/completions"),
            ("/sessions/a.b~c/v1/models/m%2Fn", "a.b~c", "/v1/models/m%2Fn"),
            ("/sessions/a%2Db%3a%40/v1/x", "a-b:@", "/v1/x"), ("/sessions/a+b/v1/x", "a+b", "/v1/x"),
            ("/sessions/a%252Db/v1", "a%2Db", "/v1"), ("/sessions/%2e%2E/v1", "..", "/v1"),
            ("/sessions/a%2Fb/v1", "a/b", "/v1"), ("/sessions/%/v1", "%", "/v1"), ("/sessions/%4/v1", "%4", "/v1"),
            ("/sessions/%4g/v1", "%4g", "/v1"), ("/sessions/%zz/v1", "%zz", "/v1"), ("/sessions/a%41/v1", "aA", "/v1"),
            ("/sessions/%c3%bc/v1", "ü", "/v1"), ("/sessions/%ff/v1", "\u{FFFD}", "/v1"),
            ("/sessions//v1/x", "", "/v1/x"),
            // Only one prefix is removed.
            ("/sessions/a/v1/sessions/b/v1/x", "a", "/v1/sessions/b/v1/x"),
        ])
    func prefixes(path: String, id: String, rest: String) {
        let sessionPath = SessionPath(path)
        #expect(sessionPath.id == id && sessionPath.path == rest)
    }

    @Test(
        "Paths that name no session",
        arguments: [
            "/", "", "/v1/models", "/sessions", "/sessions/", "/sessions/a", "/sessions/a/", "/sessions/a/healthz",
            "/sessions/a/v2/x", "/sessions/a/v1x", "/sessions/a/v10/x", "/sessions/a//v1/x", "/sessions/a/b/v1/x",
            "/Sessions/a/v1/x", "//sessions/a/v1/x", "/v1/sessions/a/v1/x", "/sessions/v1", "/sessions/v1/x",
            "/sessions/a/V1/x", "/sessions/a%2Fv1/x", "sessions/a/v1",
        ])
    func noPrefixes(path: String) {
        let sessionPath = SessionPath(path)
        #expect(sessionPath.id == nil && sessionPath.path == path)
    }
}
