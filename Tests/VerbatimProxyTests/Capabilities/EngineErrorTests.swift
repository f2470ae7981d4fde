import NIOCore
import Testing

@testable import VerbatimProxy

@Suite("Errors in replies with a good status")
struct EngineErrorTests {
    @Test(
        "A reply without content that names an error is one",
        arguments: [
            (#"{"id":"","choices":null,"error":{"message":"no","code":400}}"#, 400),
            (#"{"choices":[],"error":{"code":"404"}}"#, 404), (#"{"output":null,"error":{"message":"no"}}"#, 400),
            (#"{"status":"failed","output":[ ],"error":{"message":"no","code":"server_error"}}"#, 500),
            (#"{"error":"no"}"#, 400), (#"{"detail":"no"}"#, 400), (#"{"message":"no","status":503}"#, 503), ("", 400),
            ("no", 400), ("[]", 400),
        ])
    func errors(body: String, status: Int) {
        #expect(EngineError(reply: ByteBuffer(string: body))?.status == status)
    }

    @Test(
        "A reply with content, or without an error, is no error",
        arguments: [
            #"{"choices":[{}],"error":{"message":"no"}}"#, #"{"choices":[{}],"error":null}"#, #"{"choices":[]}"#,
            #"{"choices":null}"#, #"{"output":[{}],"error":null}"#, #"{"error":null,"a":1}"#, #"{"error":false}"#,
            #"{"content":"x","error":"no"}"#,
        ])
    func others(body: String) { #expect(EngineError(reply: ByteBuffer(string: body)) == nil) }
}
