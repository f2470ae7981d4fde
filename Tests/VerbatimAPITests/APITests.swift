import TestSupport
import VerbatimSchema
import Testing
import VerbatimAPI

@Suite struct APIRegistryTests {
    @Test(arguments: API.allCases, ["/v1%", "%", "/v1%/", "%/"])
    func findsTheAPIOfARoute(api: API, form: String) {
        let path = form.replacing("%", with: api.route)
        // llama.cpp has an API of its own at `/completions`.
        let isAnothers = api == .completions && !form.hasPrefix("/v1")
        #expect(APIRegistry.api(method: "POST", path: path) == (isAnothers ? nil : api))
    }

    @Test(arguments: ["GET", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "post", ""])
    func onlyPostRequestsAreCaptured(method: String) {
        #expect(APIRegistry.api(method: method, path: "/v1/chat/completions") == nil)
    }

    @Test(arguments: [
        "", "/", "//", "/v1", "/v1/", "/v1/chat", "/v1/chat/completionsx", "/v1/chat/completions/x",
        "//v1/chat/completions",
        "/v1//chat/completions", "/v1/chat//completions", "/v1/chat/completions//", "/v1/v1/chat/completions",
        "/v2/chat/completions", "/V1/chat/completions", "/v1/Chat/Completions", "v1/chat/completions",
        "chat/completions",
        "/api/v1/chat/completions", "/v1/models", "/v1/messages/count_tokens", "/v1/messages/batches",
        "/v1/responses/compact",
        "/v1/responses/resp_1", "/v1/responses/resp_1/cancel", "/v1/responses/resp_1/input_items", "/v1/completion",
        "/v1/chat/completions?x=1", "/v1/chat/%63ompletions", "/v1chat/completions",
    ])
    func otherPathsAreNotCaptured(path: String) {
        #expect(APIRegistry.api(method: "POST", path: path) == nil)
    }

    @Test func rawValuesAreTheNamesInTheTrace() {
        #expect(API.allCases.map(\.rawValue) == ["chat.completions", "completions", "responses", "messages"])
    }
}
