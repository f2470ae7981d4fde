package import VerbatimJSON

/// Why a request cannot be forwarded.
package struct RequestError: Error, Sendable {
    package let message: String
}

/// A request's body, with the members of its top-level object that matter located.
package struct RequestDocument: Sendable {
    package let body: [UInt8]
    package let object: SelectedMembers
    /// The names that were looked for.
    let names: MemberNames

    /// - Parameter names: Those that will be asked for. Others can be, but then the body is read again.
    package init(body: [UInt8], names: MemberNames) throws(RequestError) {
        let object: SelectedMembers?
        do {
            object = try SelectedMembers(document: body.span, named: names, options: .validUTF8)
        } catch {
            throw RequestError(message: "the request body is not valid JSON: \(error)")
        }
        guard let object else { throw RequestError(message: "the request body must be a JSON object") }
        self.body = body
        self.object = object
        self.names = names
    }
}
