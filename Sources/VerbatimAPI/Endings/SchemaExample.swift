import VerbatimJSON
import VerbatimPlatform

/// A small JSON value that satisfies a JSON schema, for a message whose agent parses it.
///
/// It has the required members only. Texts say what is to be said, unless the schema restricts them. Patterns and
/// conditions (`if`, `not`) are not followed.
struct SchemaExample {
    /// Deeper values, and those of a schema that refers to itself, become null.
    private static let depthLimit = 16
    /// Most values that are written.
    private static let sizeLimit = 4096
    private static let itemLimit = 64

    private let schema: [UInt8]
    private let message: String

    /// - Parameter schema: A JSON text.
    init(of schema: [UInt8], saying message: String) {
        self.schema = schema
        self.message = message
    }

    /// An object for agents that expect JSON, but say nothing about its members.
    static func object(saying message: String) -> String {
        JSONWriter.string { json in json.object { $0.member("message", message) } }
    }

    var text: String {
        var cursor = JSONCursor()
        guard let root = try? cursor.skipValue(in: schema.span) else { return Self.object(saying: message) }
        var values = 0
        return JSONWriter.string { write(root, to: &$0, depth: 0, values: &values) }
    }

    private func write(_ schema: JSONValue, to json: inout JSONWriter, depth: Int, values: inout Int) {
        values += 1
        guard depth < Self.depthLimit, values < Self.sizeLimit else { return json.null() }
        guard let object = object(schema) else { return json.value(message) }
        if let constant = self["const", of: object] ?? self["enum", of: object].flatMap({ elements($0).first }) {
            return json.raw(constant.bytes(in: self.schema.span))
        }
        if let target = self["$ref", of: object]?.string(in: self.schema.span).flatMap(target) {
            return write(target, to: &json, depth: depth + 1, values: &values)
        }
        let type = type(of: object)
        if type == nil, let choice = choice(of: object) {
            return write(choice, to: &json, depth: depth + 1, values: &values)
        }
        switch type {
        case "object": writeObject(object, to: &json, depth: depth, values: &values)
        case "array":
            let items = self["items", of: object]
            let count = min(integer("minItems", of: object) ?? 0, Self.itemLimit)
            json.array { json in
                for _ in 0..<max(count, 0) {
                    if let items { write(items, to: &json, depth: depth + 1, values: &values) } else { json.null() }
                }
            }
        case "integer", "number": json.value(number(object))
        case "boolean": json.value(false)
        case "null": json.null()
        default: json.value(string(object))
        }
    }

    private func writeObject(_ object: JSONObject, to json: inout JSONWriter, depth: Int, values: inout Int) {
        let properties = self["properties", of: object].flatMap(self.object)
        let required = self["required", of: object].map(elements) ?? []
        json.object { json in
            for name in required.compactMap({ $0.string(in: schema.span) }) {
                json.key(named: name)
                if let property = properties?.member(named: name, in: schema.span)?.value {
                    write(property, to: &json, depth: depth + 1, values: &values)
                } else {
                    json.value(message)
                }
            }
        }
    }

    // MARK: Reading the schema

    private subscript(name: StaticString, of object: JSONObject) -> JSONValue? { object.value(name, in: schema.span) }

    private func object(_ value: JSONValue) -> JSONObject? {
        try? JSONObject(scanning: schema.span, at: value.range.lowerBound)
    }

    private func elements(_ list: JSONValue) -> [JSONValue] { list.elements(in: schema.span) }

    private func integer(_ name: StaticString, of object: JSONObject) -> Int? {
        self[name, of: object]?.int(in: schema.span)
    }

    /// The first type that is not null; nil if the schema names none.
    private func type(of object: JSONObject) -> String? {
        guard let type = self["type", of: object] else {
            return self["properties", of: object] == nil ? nil : "object"
        }
        if let name = type.string(in: schema.span) { return name }
        let names = elements(type).compactMap { $0.string(in: schema.span) }
        return names.first { $0 != "null" } ?? names.first
    }

    /// The first of several schemas that allows more than null.
    private func choice(of object: JSONObject) -> JSONValue? {
        let lists = ["anyOf", "oneOf", "allOf"].compactMap { (name: StaticString) in self[name, of: object] }
        let choices = lists.first.map(elements) ?? []
        return choices.first { self.object($0).map { type(of: $0) != "null" } ?? false } ?? choices.first
    }

    /// The schema that a reference such as `#/$defs/Step` names.
    private func target(of reference: String) -> JSONValue? {
        guard reference.hasPrefix("#") else { return nil }
        var cursor = JSONCursor()
        var value = try? cursor.skipValue(in: schema.span)
        for name in reference.dropFirst().split(separator: "/") {
            let name = String(name).replacing(text: "~1", with: "/").replacing(text: "~0", with: "~")
            value = value.flatMap(object)?.member(named: name, in: schema.span)?.value
        }
        return value
    }

    private func number(_ object: JSONObject) -> Int {
        let least = integer("minimum", of: object) ?? integer("exclusiveMinimum", of: object).map { $0 &+ 1 }
        let most = integer("maximum", of: object) ?? integer("exclusiveMaximum", of: object).map { $0 &- 1 }
        return max(min(0, most ?? 0), least ?? .min)
    }

    private func string(_ object: JSONObject) -> String {
        switch self["format", of: object]?.string(in: schema.span) {
        case "date-time": return "1970-01-01T00:00:00Z"
        case "date": return "1970-01-01"
        case "time": return "00:00:00Z"
        case "uuid": return "00000000-0000-0000-0000-000000000000"
        case "email": return "nobody@example.com"
        case "uri": return "https://example.com/"
        default: return integer("maxLength", of: object).map { String(message.prefix(max($0, 0))) } ?? message
        }
    }
}
