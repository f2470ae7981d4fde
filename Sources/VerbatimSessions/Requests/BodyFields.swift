import VerbatimJSON

/// The members of a request's JSON object, each of which must be known and of its kind.
package struct BodyFields {
    private let body: [UInt8]
    private let object: JSONObject

    /// - Parameters:
    ///   - body: An object, or nothing at all, which stands for an empty one.
    ///   - names: The names of the known members; nil if any is allowed.
    package init(_ body: [UInt8], allowing names: Set<String>? = nil) throws(SessionsError) {
        let body = body.isEmpty ? Array("{}".utf8) : body
        let object: JSONObject?
        do throws(JSONError) {
            object = try JSONObject(document: body.span, options: .validUTF8)
        } catch {
            throw .invalid("the body is not valid JSON: \(error)")
        }
        guard let object else { throw .invalid("the body must be a JSON object") }
        try self.init(body, object, allowing: names, in: "")
    }

    private init(
        _ body: [UInt8], _ object: JSONObject, allowing names: Set<String>?, in place: String
    ) throws(SessionsError) {
        self.body = body
        self.object = object
        guard let names else { return }
        for member in object.members {
            let name = member.key.decoded(in: body.span)
            guard names.contains(name) else {
                throw .invalid("unknown field '\(place)\(name)'; known are \(names.sorted().joined(separator: ", "))")
            }
        }
    }

    /// All members with the normalized texts of their values.
    package var members: [(name: String, value: [UInt8])] {
        object.members.map { ($0.key.decoded(in: body.span), normalized($0.value)) }
    }

    /// The value, unless it is absent or null.
    private func value(_ name: StaticString) -> JSONValue? {
        object.value(name, in: body.span).flatMap { $0.isNull ? nil : $0 }
    }

    package func string(_ name: StaticString) throws(SessionsError) -> String? {
        guard let value = value(name) else { return nil }
        guard let text = value.string(in: body.span) else { throw .invalid("'\(name)' must be a string") }
        return text
    }

    package func bool(_ name: StaticString) throws(SessionsError) -> Bool? {
        guard let value = value(name) else { return nil }
        guard value.kind.isBool else { throw .invalid("'\(name)' must be true or false") }
        return value.kind == .true
    }

    /// A natural number that is at least `least`.
    package func count(_ name: StaticString, least: Int = 0) throws(SessionsError) -> Int? {
        guard let value = value(name) else { return nil }
        guard let number = value.int(in: body.span), number >= least else {
            throw .invalid("'\(name)' must be a whole number, \(least) or more")
        }
        return number
    }

    /// A number of seconds, at least 0.
    package func seconds(_ name: StaticString) throws(SessionsError) -> Double? {
        guard let value = value(name) else { return nil }
        guard let number = value.double(in: body.span), number >= 0, number < 1e9 else {
            throw .invalid("'\(name)' must be a number of seconds, 0 or more")
        }
        return number
    }

    /// A finite number.
    package func number(_ name: StaticString) throws(SessionsError) -> [UInt8]? {
        guard let value = value(name) else { return nil }
        guard let number = value.double(in: body.span), number.isFinite else {
            throw .invalid("'\(name)' must be a number")
        }
        return value.bytes(in: body.span)
    }

    /// The normalized text of an object.
    package func object(_ name: StaticString) throws(SessionsError) -> [UInt8]? {
        guard let value = value(name) else { return nil }
        guard value.kind == .object else { throw .invalid("'\(name)' must be an object") }
        return normalized(value)
    }

    /// The normalized text of any value but null.
    package func any(_ name: StaticString) -> [UInt8]? { value(name).map(normalized) }

    /// The fields of an object within this one.
    package func fields(_ name: StaticString, allowing names: Set<String>) throws(SessionsError) -> BodyFields? {
        guard let value = value(name) else { return nil }
        guard value.kind == .object, let inner = try? JSONObject(scanning: body.span, at: value.range.lowerBound)
        else { throw .invalid("'\(name)' must be an object") }
        return try BodyFields(body, inner, allowing: names, in: "\(name).")
    }

    /// The fields of each object of an array.
    package func elements(
        _ name: StaticString, allowing names: Set<String>
    ) throws(SessionsError) -> [BodyFields]? {
        guard let value = value(name) else { return nil }
        var cursor = JSONCursor(at: value.range.lowerBound)
        var elements: [BodyFields] = []
        do {
            guard value.kind == .array else { return nil }
            try cursor.enterArray(in: body.span)
            while try cursor.nextElement(in: body.span) {
                guard let object = try JSONObject(with: &cursor, in: body.span) else { return nil }
                elements.append(try BodyFields(body, object, allowing: names, in: "\(name)[]."))
            }
        } catch let error as SessionsError {
            throw error
        } catch {
            return nil
        }
        return elements
    }

    /// One of some words.
    package func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: StaticString, of type: Choice.Type
    ) throws(SessionsError) -> Choice? where Choice.RawValue == String {
        guard let word = try string(name) else { return nil }
        guard let choice = Choice(rawValue: word) else {
            let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw .invalid("'\(name)' must be one of: \(words)")
        }
        return choice
    }

    private func normalized(_ value: JSONValue) -> [UInt8] {
        var text: [UInt8] = []
        JSONNormalizer.append(value.range, of: body.span, to: &text)
        return text
    }
}
