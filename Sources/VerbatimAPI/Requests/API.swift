/// An API whose exchanges are captured. The raw value is the name in records.
///
/// ``APIRegistry`` has the requests and routes of each.
package enum API: String, CaseIterable, Sendable {
    case chatCompletions = "chat.completions"
    case completions
    case responses
    case messages

    /// The route below the API's base path.
    package var route: String {
        switch self {
        case .chatCompletions: "/chat/completions"
        case .completions: "/completions"
        case .responses: "/responses"
        case .messages: "/messages"
        }
    }
}
