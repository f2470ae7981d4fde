import Foundation

/// An error reply in OpenAI's form.
struct OpenAIError: Decodable, Sendable {
    struct Body: Decodable {
        let error: OpenAIError
    }

    let message: String
    let type: String
    let param: String?
    let code: String

    init(_ body: [UInt8]) throws {
        self = try JSONDecoder().decode(Body.self, from: Data(body)).error
    }
}
