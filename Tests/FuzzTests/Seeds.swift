import Foundation
import TestSupport
import VerbatimAPI

/// The inputs with which fuzzing starts: the recorded exchanges, and very long or deeply nested texts.
enum Seeds {
    static func write(to folder: URL) throws {
        for target in FuzzTarget.allCases {
            let place = folder.appendingPathComponent(target.rawValue)
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            for (index, seed) in seeds(of: target).enumerated() {
                try Data(seed).write(to: place.appendingPathComponent("seed-\(index)"))
            }
        }
    }

    static func seeds(of target: FuzzTarget) -> [[UInt8]] {
        switch target {
        case .scanner: requests + documents + tall
        case .editor: (requests + documents + tall).map { [1, 0, 0, 1, 1] + $0 }
        case .splitter: streams.map { [0, 7] + $0 }
        case .request:
            API.allCases.indices.flatMap { api in
                (requests + tall).map { [UInt8(api), UInt8($0.count % 13), UInt8($0.count % 64)] + $0 }
            }
        case .chat: replies(below: "/chat/completions")
        case .completions: replies(below: "/v1/completions")
        case .responses: replies(below: "/responses")
        case .messages: replies(below: "/messages")
        case .trace: traces
        }
    }

    private static let requests = WireSample.all.map(\.request.body).filter { !$0.isEmpty }
    private static let documents = WireSample.all.filter { !$0.response.isEventStream }.map(\.response.body)
    private static let streams = WireSample.streams.map(\.response.body)

    /// Texts that are expensive for a careless reader.
    private static let tall: [[UInt8]] = [
        String(repeating: "[", count: 500) + String(repeating: "]", count: 500),
        "[" + String(repeating: "1,", count: 2000) + "1]",
        "\"" + String(repeating: "\\u00e9\\\\", count: 1000) + "\"",
        "{" + (0..<300).map { "\"k\($0)\":{}," }.joined() + "\"logprobs\":null}",
        "{" + String(repeating: "\"a\":1,", count: 300) + "\"a\":2}",
    ].map { Array($0.utf8) }

    /// Each recorded reply, with and without an injection.
    private static func replies(below path: String) -> [[UInt8]] {
        WireSample.all.filter { $0.request.path.contains(path) }.flatMap { sample in
            let profile = UInt8(sample.engine.flatMap(EngineProfile.all.firstIndex(of:)) ?? 0)
            let isStream = sample.response.isEventStream
            return [UInt8(0), 1].map { flags in
                [flags | (isStream ? 0 : 4 | 16), profile, 0, 0, 5] + sample.response.body
            }
        }
    }

    private static let traces: [[UInt8]] = [
        #"{"turn":1,"request":{},"response":{},"completion_tokens":["a"],"completion_token_ids":[1],"#
            + "\n{\"turn\":2}",
        #"{"turn":1,"session_id":"s","schema":"verbatim.turn/1","request":{},"response":{"choices":[]},"logprobs":null,"#
            + #""completion_tokens":["a"],"completion_token_ids":[1],"per_token_logps":[-0.5],"finish_reason":"stop","#
            + #""latency_s":1,"timestamp":1,"dialect":"chat.completions","path":"/","stream":false,"outcome":"completed","#
            + #""status":200,"client_fields":{},"capture":{"level":"tokens","complete":true,"problems":[]}}"# + "\n",
        "\n\n \r\n{}\n[]\n\u{0}",
    ].map { Array($0.utf8) }
}
