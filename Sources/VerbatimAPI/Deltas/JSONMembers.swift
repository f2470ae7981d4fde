import VerbatimJSON

extension [UInt8] {
    /// A member of the object whose JSON text this is; `nil` if it has none of that name, or null.
    func member(_ name: StaticString) -> [UInt8]? {
        guard let object = try? JSONObject(document: span) else { return nil }
        return object.value(name, in: span).flatMap { $0.isNull ? nil : $0.bytes(in: span) }
    }

    /// A member that is an integer.
    func integer(_ name: StaticString) -> Int? {
        guard let object = try? JSONObject(document: span) else { return nil }
        return object.value(name, in: span)?.int(in: span)
    }

    /// Goes on with an object that is being written.
    mutating func append(members: [(name: StaticString, value: [UInt8])]) {
        for member in members {
            appendJSONKey(member.name)
            append(contentsOf: member.value)
        }
    }
}
