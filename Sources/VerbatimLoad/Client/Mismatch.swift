/// How a reply differs from what the engine sent.
enum Mismatch: Error, Equatable, CustomStringConvertible {
    case framing(String)
    case status(Int)
    case header(String)
    /// An event belongs to another request.
    case foreign(request: String)
    /// An event is out of sequence: events before it were lost, or it came twice or too late.
    case order(expected: Int, got: Int)
    /// The bytes differ from this offset in the event or body on.
    case bytes(event: Int, offset: Int)
    /// There are bytes after the end.
    case surplus(Int)
    /// The framing ends before the reply does.
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
