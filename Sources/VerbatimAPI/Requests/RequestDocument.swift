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

    /// The names of top-level members that a parser which ignores case would take for one of `names`, and which are
    /// none of them. Go's does so, and by its folding (Unicode's simple one) `ſ` is an `s`.
    func otherSpellings(of names: [String]) -> [String] {
        let folded = Set(names.map(Self.folded))
        let members = (try? JSONObject(document: body.span))?.members ?? []
        return members.map { $0.key.decoded(in: body.span) }
            .filter { folded.contains(Self.folded($0)) && !names.contains($0) }
    }

    private static func folded(_ name: String) -> String { name.uppercased().lowercased() }
}
