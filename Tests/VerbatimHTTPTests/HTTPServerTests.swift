import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import TestSupport
import Testing
import VerbatimPlatform

@testable import VerbatimHTTP

@Suite("HTTP server")
struct HTTPServerTests {
    /// Answers each request with a fixed JSON text.
    private final class FixedHandler: RequestHandler {
        let json: String

        init(json: String) { self.json = json }

        func exchange(for head: HTTPRequestHead, on connection: ServerConnection) -> any Exchange {
            ImmediateExchange(
                on: connection, request: ResponseWriter.Request(head, errorFormat: errorFormat(for: head)), status: .ok,
                json: Array(json.utf8))
        }

        func errorFormat(for head: HTTPRequestHead) -> ErrorFormat { ErrorFormat { Array($0.code.utf8) } }

        func serverDidStop() {}
    }

    private static func listener(at address: ListenAddress, json: String) -> Listener {
        Listener(address: address, errorFormat: ErrorFormat { Array($0.code.utf8) }) { _ in FixedHandler(json: json) }
    }

    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// Sends a request on a connection of its own, and returns everything until the server closes it.
    private static func get(_ target: String = "/", at address: SocketAddress) async throws -> String {
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup).connect(to: address) {
            channel in
            channel.eventLoop.makeCompletedFuture {
                try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
            }
        }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(
                ByteBuffer(string: "GET \(target) HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"))
            var received = ""
            for try await bytes in inbound { received += String(buffer: bytes) }
            return received
        }
    }

    @Test("Listeners on TCP and on a Unix socket have their own handlers and stop together")
    func listeners() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path("admin.sock")
        let server = try await HTTPServer.start(
            [
                Self.listener(at: .tcp(host: "127.0.0.1", port: 0), json: #"{"for":"agents"}"#),
                Self.listener(at: .unix(path: path), json: #"{"for":"trainers"}"#),
            ], threads: 2, logger: Self.logger)
        let tcp = try #require(server.addresses[0])
        let unix = try SocketAddress(unixDomainSocketPath: path)
        #expect(try await Self.get(at: tcp).hasSuffix(#"{"for":"agents"}"#))
        #expect(try await Self.get(at: unix).hasSuffix(#"{"for":"trainers"}"#))
        #expect(
            try await Self.get("/#x", at: unix).hasSuffix("invalid_request"), "the same rules hold for each listener")
        await server.drain(grace: .seconds(10))
        await server.shutDown()
        await #expect(throws: (any Error).self) { try await Self.get(at: tcp) }
        await #expect(throws: (any Error).self) { try await Self.get(at: unix) }
        #expect(!FileManager.default.fileExists(atPath: path), "the socket's file is removed")
    }

    @Test("If one listener cannot start, none stays open")
    func startFailure() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path("a.sock")
        let error = await #expect(throws: HTTPServer.StartError.self) {
            _ = try await HTTPServer.start(
                [
                    Self.listener(at: .unix(path: path), json: "{}"),
                    Self.listener(at: .unix(path: folder.path("missing/b.sock")), json: "{}"),
                ], threads: 1, logger: Self.logger)
        }
        #expect(error?.reason == .address)
        #expect(error?.description.contains("missing/b.sock") == true)
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test("A Unix socket that another server listens on is not taken over; one that a crash left behind is")
    func socketInUse() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path("a.sock")
        let first = try await HTTPServer.start(
            [Self.listener(at: .unix(path: path), json: "1")], threads: 1, logger: Self.logger)
        await #expect(throws: HTTPServer.StartError.self) {
            _ = try await HTTPServer.start(
                [Self.listener(at: .unix(path: path), json: "2")], threads: 1, logger: Self.logger)
        }
        #expect(try await Self.get(at: SocketAddress(unixDomainSocketPath: path)).hasSuffix("1"))
        await first.drain(grace: .seconds(10))
        await first.shutDown()

        // A socket that is bound and closed without being removed, as after a crash.
        try SocketAddress(unixDomainSocketPath: path).withSockAddr { address, length in
            let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            #expect(bind(descriptor, address, socklen_t(length)) == 0)
            close(descriptor)
        }
        #expect(FileManager.default.fileExists(atPath: path))
        let second = try await HTTPServer.start(
            [Self.listener(at: .unix(path: path), json: "3")], threads: 1, logger: Self.logger)
        #expect(try await Self.get(at: SocketAddress(unixDomainSocketPath: path)).hasSuffix("3"))
        await second.drain(grace: .seconds(10))
        await second.shutDown()
    }
}
