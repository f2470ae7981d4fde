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
        guard let value = object.value(name, in: span) else { return nil }
        // Some gateways write counts as `7.0`.
        return value.int(in: span) ?? value.double(in: span).flatMap { Int(exactly: $0) }
    }

    /// Goes on with an object that is being written.
    mutating func append(members: [(name: StaticString, value: [UInt8])]) {
        for member in members {
            appendJSONKey(member.name)
            append(contentsOf: member.value)
        }
    }
}
