import NIOHTTP1

/// What a response's head must fulfil beyond what NIO's parser checks, so that the client cannot read it differently.
enum ResponseRules {
    struct Fault: Error, CustomStringConvertible {
        let description: String
    }

    static func fault(of head: HTTPResponseHead) -> Fault? {
        if head.status.code == 101 { return Fault(description: "unexpected protocol switch (status 101)") }
        if head.status.code < 100 || head.status.code > 999 {
            return Fault(description: "invalid HTTP status \(head.status.code)")
        }
        let codings = head.headers[canonicalForm: "transfer-encoding"].map { $0.lowercased() }
        if !codings.allSatisfy({ $0 == "chunked" || $0 == "identity" }) || codings.count > 1 {
            return Fault(description: "unsupported Transfer-Encoding")
        }
        if head.headers.contains(name: "content-length") && contentLength(of: head) == nil {
            return Fault(description: "invalid Content-Length")
        }
        return nil
    }

    /// The value of `Content-Length`; nil if the field is absent or not a number below 2⁶³.
    static func contentLength(of head: HTTPResponseHead) -> Int? { head.headers.contentLength }
}
