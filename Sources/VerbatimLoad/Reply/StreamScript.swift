import NIOCore

/// The steps of a stream: the role, each token, the usage, the end.
struct StreamScript {
    let spec: TurnSpec
    let templates: ReplyTemplates
    private let usage: EventTemplate
    private let done: EventTemplate

    init(_ spec: TurnSpec, _ templates: ReplyTemplates, isChunked: Bool) {
        self.spec = spec
        self.templates = templates
        usage = isChunked ? ReplyTemplates.chunkedUsage(of: spec) : ReplyTemplates.usage(of: spec)
        done = isChunked ? ReplyTemplates.chunkedDone : ReplyTemplates.done
    }

    var stepCount: Int { spec.events + 3 }

    /// The number of the token that a step carries.
    func token(ofStep step: Int) -> Int? { 1...spec.events ~= step ? step : nil }

    func template(ofStep step: Int) -> EventTemplate {
        switch step {
        case 0: templates.role
        case spec.events: templates.lastToken
        case ..<spec.events: templates.token
        case spec.events + 1: usage
        default: done
        }
    }

    func write(step: Int, time: UInt64, into buffer: inout ByteBuffer) {
        template(ofStep: step).write(into: &buffer, request: spec.id, number: step, time: time)
    }
}

extension NIODeadline {
    /// The system's monotonic clock, which all processes of a machine share.
    var microseconds: UInt64 { uptimeNanoseconds / 1000 }
}
