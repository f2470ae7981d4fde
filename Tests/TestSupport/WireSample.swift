import Foundation
package import VerbatimAPI

/// One exchange with a real engine, as recorded under `Tests/Fixtures/wire-samples/<set>/`.
///
/// A sample holds what went over the wire, with two differences: streamed bodies are without their chunk
/// framing, and `Content-Length` may be wrong where a name in the body was made shorter afterwards.
package struct WireSample: Sendable, CustomStringConvertible {
    package typealias Header = (name: String, value: String)

    package struct Request: Sendable {
        package let method: String
        package let path: String
        /// The options with which the sample was recorded; mostly none.
        package let headers: [Header]
        package let body: [UInt8]
    }

    package struct Response: Sendable {
        package let status: Int
        package let reason: String
        package let headers: [Header]
        package let body: [UInt8]

        /// The value of the first header of that name, compared without case.
        package func header(_ name: String) -> String? {
            headers.first { $0.name.lowercased() == name.lowercased() }?.value
        }

        package var isEventStream: Bool { header("Content-Type")?.hasPrefix("text/event-stream") == true }
    }

    /// The engine's name, and how it was started: `vllm`, `vllm-reasoning`, `llamacpp`, `llamacpp-tools`.
    package let set: String
    /// The kind of request: `chat_stream_plain`, `err_bad_model`, …
    package let name: String
    package let request: Request
    package let response: Response

    /// The profile of the engine that the set is named after.
    package var engine: EngineProfile? { EngineProfile.all.first { set == $0.name || set.hasPrefix($0.name + "-") } }

    package var description: String { "\(set)/\(name)" }

    /// All recorded exchanges, sorted by set and name.
    package static let all: [WireSample] = {
        do {
            return try loadAll()
        } catch {
            fatalError("cannot read the samples in \(folder.path): \(error)")
        }
    }()

    /// The exchange `name` of `set`; `nil` if it was not recorded.
    package static func named(_ name: String, in set: String) -> WireSample? {
        all.first { $0.set == set && $0.name == name }
    }

    /// The exchanges whose reply is an event stream.
    package static var streams: [WireSample] { all.filter { $0.response.isEventStream } }
}

// MARK: Reading the files

extension WireSample {
    private enum Malformed: Error {
        case noHead(String)
        case badStartLine(String)
        case badHeader(String)
    }

    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures/wire-samples", isDirectory: true)

    private static func loadAll() throws -> [WireSample] {
        let suffix = ".request.txt"
        return try visibleNames(in: folder).flatMap { set in
            let files = try visibleNames(in: folder.appendingPathComponent(set))
            return try files.filter { $0.hasSuffix(suffix) }.map { file in
                try WireSample(set: set, name: String(file.dropLast(suffix.count)))
            }
        }
    }

    private static func visibleNames(in folder: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { !$0.hasPrefix(".") }.sorted()
    }

    private init(set: String, name: String) throws {
        func bytes(_ kind: String) throws -> [UInt8] {
            [UInt8](try Data(contentsOf: Self.folder.appendingPathComponent("\(set)/\(name).\(kind).txt")))
        }
        self.set = set
        self.name = name
        request = try Request(file: bytes("request"))
        response = try Response(file: bytes("response"))
    }

    private static func header(_ line: String) throws -> Header {
        guard let colon = line.firstIndex(of: ":") else { throw Malformed.badHeader(line) }
        return (String(line[..<colon]), line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces))
    }
}

extension WireSample.Request {
    /// `METHOD PATH`, a line with a header or an empty one, an empty line, the body. Requests without a body end after
    /// the first line; some omit the line of the header.
    fileprivate init(file: [UInt8]) throws {
        let lines = file.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let start = String(decoding: lines[0], as: UTF8.self).split(separator: " ")
        guard start.count == 2 else {
            throw WireSample.Malformed.badStartLine(String(decoding: lines[0], as: UTF8.self))
        }
        method = String(start[0])
        path = String(start[1])
        var rest = lines.dropFirst()
        var headers: [WireSample.Header] = []
        while let line = rest.first, !line.isEmpty {
            headers.append(try WireSample.header(String(decoding: line, as: UTF8.self)))
            rest.removeFirst()
        }
        self.headers = headers
        rest = rest.dropFirst()
        if headers.isEmpty, rest.first?.isEmpty == true { rest.removeFirst() }
        body = Array(rest.joined(separator: [UInt8(ascii: "\n")]))
    }
}

extension WireSample.Response {
    /// Status line and headers, each with `\r\n`, an empty line, the body.
    fileprivate init(file: [UInt8]) throws {
        guard let end = Data(file).range(of: Data("\r\n\r\n".utf8)) else {
            throw WireSample.Malformed.noHead(String(decoding: file.prefix(80), as: UTF8.self))
        }
        let lines = String(decoding: file[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        let start = lines[0].split(separator: " ", maxSplits: 2)
        guard start.count >= 2, start[0] == "HTTP/1.1", let status = Int(start[1]) else {
            throw WireSample.Malformed.badStartLine(lines[0])
        }
        self.status = status
        reason = start.count > 2 ? String(start[2]) : ""
        headers = try lines.dropFirst().map(WireSample.header)
        body = Array(file[end.upperBound...])
    }
}
