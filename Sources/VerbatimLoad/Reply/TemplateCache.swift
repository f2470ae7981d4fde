/// The templates of one event loop, made once for each kind of request.
final class TemplateCache {
    private let isChunked: Bool
    private var known: [ReplyTemplates.Key: ReplyTemplates] = [:]

    init(isChunked: Bool) { self.isChunked = isChunked }

    func templates(for spec: TurnSpec) -> ReplyTemplates {
        let key = ReplyTemplates.Key(spec)
        if let templates = known[key] { return templates }
        let made = ReplyTemplates(key, isChunked: isChunked)
        known[key] = made
        return made
    }
}
