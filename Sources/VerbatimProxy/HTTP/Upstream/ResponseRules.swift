import NIOHTTP1

/// What is asked of a reply's head beyond what NIO's parser asks, so that the agent cannot read it differently.
enum ResponseRules {
    struct Fault: Error, CustomStringConvertible {
        let description: String
    }

    static func fault(of head: HTTPResponseHead) -> Fault? {
        if head.status.code == 101 { return Fault(description: "it switched protocols without having been asked to") }
        if head.status.code < 100 || head.status.code > 999 { return Fault(description: "its status is none") }
        let codings = head.headers[canonicalForm: "transfer-encoding"].map { $0.lowercased() }
        if !codings.allSatisfy({ $0 == "chunked" || $0 == "identity" }) || codings.count > 1 {
            return Fault(description: "its Transfer-Encoding is not understood")
        }
        return nil
    }
}
