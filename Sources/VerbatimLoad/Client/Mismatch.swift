/// How a reply differs from what the engine sent.
enum Mismatch: Error, Equatable, CustomStringConvertible {
    case framing(String)
    case status(Int)
    case header(String)
    /// An event of another request.
    case foreign(request: String)
    /// An event with another number than was next: lost ones in front of it, or it came twice or too late.
    case order(expected: Int, got: Int)
    /// Bytes that differ, from the place in the event or body on.
    case bytes(event: Int, offset: Int)
    /// More than was to come.
    case surplus(Int)
    /// The framing says that the reply is over, and it is not.
    case short(event: Int)

    var description: String {
        switch self {
        case .framing(let what): "framing: \(what)"
        case .status(let status): "status \(status)"
        case .header(let name): "header \(name)"
        case .foreign(let request): "an event of request \(request)"
        case .order(let expected, let got): "event \(got) in place of \(expected)"
        case .bytes(let event, let offset): "event \(event) differs from byte \(offset) on"
        case .surplus(let count): "\(count) bytes behind the end"
        case .short(let event): "ended before event \(event)"
        }
    }
}
