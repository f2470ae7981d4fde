/// What an agent expects of the reply to its request.
package struct ExpectedReply: Sendable {
    /// The form that the request demands of the text.
    package enum Format: Equatable, Sendable {
        case text
        /// Any JSON object.
        case object
        /// JSON that satisfies this schema, which is a JSON text.
        case schema([UInt8])
    }

    /// More choices than any engine gives.
    static let choiceLimit = 4096

    package var api: API
    package var model: String
    package var isStream: Bool
    /// Whether a stream ends with an event that counts the tokens. Chat completions and completions only.
    package var includesUsage: Bool
    /// How many choices there are. Chat completions and completions only.
    package var choices: Int
    package var format: Format

    package init(
        api: API, model: String, isStream: Bool = false, includesUsage: Bool = false, choices: Int = 1,
        format: Format = .text
    ) {
        self.api = api
        self.model = model
        self.isStream = isStream
        self.includesUsage = includesUsage
        self.choices = min(max(choices, 1), Self.choiceLimit)
        self.format = format
    }
}

extension ExpectedReply {
    /// - Parameters:
    ///   - choices: How many choices the request asks for.
    ///   - formats: Where the API has the form of the text.
    init(_ fields: RequestFields, of api: API, choices: Int = 1, formats: [[String]]) {
        let format = formats.lazy.compactMap { fields.value(at: $0) }.compactMap(Format.init).first
        self.init(
            api: api, model: fields.model, isStream: fields.isStream,
            includesUsage: fields.value("include_usage", in: "stream_options")?.isTrue ?? false, choices: choices,
            format: format ?? .text)
    }
}

extension ExpectedReply.Format {
    /// Reads `{"type":"json_schema","json_schema":{"schema":{…}}}`, `{"type":"json_schema","schema":{…}}` and
    /// `{"type":"json_object"}`; nil for any other value.
    fileprivate init?(_ value: RequestFields.Value) {
        switch value.member("type")?.string {
        case "json_object": self = .object
        case "json_schema":
            let schema = value.member("json_schema")?.member("schema") ?? value.member("schema")
            self = schema.flatMap { $0.isObject ? .schema($0.text) : nil } ?? .object
        default: return nil
        }
    }
}
