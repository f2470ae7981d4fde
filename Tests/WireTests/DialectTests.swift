import Testing
import Wire

@Suite struct DialectTests {
    @Test(arguments: ["/v1/chat/completions", "/chat/completions", "/v1/chat/completions/", "/chat/completions/"])
    func knowsTheRoute(path: String) {
        #expect(Dialect.spoken(method: "POST", path: path) == .chatCompletions)
    }

    @Test(arguments: ["GET", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "post", ""])
    func onlyPostsSpeakIt(method: String) {
        #expect(Dialect.spoken(method: method, path: "/v1/chat/completions") == nil)
    }

    @Test(arguments: [
        "", "/", "//", "/v1", "/v1/", "/v1/chat", "/v1/chat/completionsx", "/v1/chat/completions/x",
        "//v1/chat/completions",
        "/v1//chat/completions", "/v1/chat//completions", "/v1/chat/completions//", "/v1/v1/chat/completions",
        "/v2/chat/completions", "/V1/chat/completions", "/v1/Chat/Completions", "v1/chat/completions",
        "chat/completions",
        "/api/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/v1/models",
        "/v1/chat/completions?x=1", "/v1/chat/%63ompletions", "/v1chat/completions",
    ])
    func knowsNoOther(path: String) {
        #expect(Dialect.spoken(method: "POST", path: path) == nil)
    }

    @Test func namesAreThoseOfTheTrace() {
        #expect(Dialect.chatCompletions.rawValue == "chat.completions")
    }
}
