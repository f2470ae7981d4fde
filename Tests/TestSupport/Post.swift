/// Sends one `POST` on a new connection, reads the response, and closes the connection.
///
/// `Host` and `Content-Length` are added unless `headers` hold them; nothing else is.
package func post(
    port: Int, path: String, headers: [(String, String)] = [("Content-Type", "application/json")], body: String
) async throws -> RawResponse {
    try await request("POST", port: port, path: path, headers: headers, body: Array(body.utf8))
}

/// Sends one `GET` on a new connection, reads the response, and closes the connection.
package func get(port: Int, path: String, headers: [(String, String)] = []) async throws -> RawResponse {
    try await request("GET", port: port, path: path, headers: headers, body: nil)
}

private func request(
    _ method: String, port: Int, path: String, headers: [(String, String)], body: [UInt8]?
) async throws -> RawResponse {
    let agent = try await RawAgent.connect(port: port)
    do {
        try await agent.send(requestBytes(method, path: path, host: "127.0.0.1:\(port)", headers: headers, body: body))
        let response = try await agent.readResponse()
        await agent.close()
        return response
    } catch {
        await agent.close()
        throw error
    }
}

/// The bytes of a request. `Host` and, for a body, `Content-Length` are added unless `headers` hold them.
package func requestBytes(
    _ method: String, path: String, host: String = "127.0.0.1", headers: [(String, String)] = [], body: [UInt8]? = nil
) -> [UInt8] {
    let given = Set(headers.map { $0.0.lowercased() })
    var lines = ["\(method) \(path) HTTP/1.1"]
    if !given.contains("host") { lines.append("Host: \(host)") }
    lines += headers.map { "\($0.0): \($0.1)" }
    if let body, given.isDisjoint(with: ["content-length", "transfer-encoding"]) {
        lines.append("Content-Length: \(body.count)")
    }
    return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + (body ?? [])
}
