package import VerbatimJSON

/// Why a request cannot be forwarded.
package struct RequestError: Error, Sendable {
    package let message: String
}

/// A request's body, with the members of its top-level object located.
package struct RequestDocument: Sendable {
    package let body: [UInt8]
    package let object: JSONObject

    package init(body: [UInt8]) throws(RequestError) {
        let object: JSONObject?
        do {
            object = try JSONObject(document: body.span, options: .validUTF8)
        } catch {
            throw RequestError(message: "the request body is not valid JSON: \(error)")
        }
        guard let object else { throw RequestError(message: "the request body must be a JSON object") }
        self.body = body
        self.object = object
    }
}
