"""A scripted upstream for cases that a real engine does not cover: inspected headers, TLS, unusual errors."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "scripted",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


@dataclass
class Answer:
    """The response of the upstream to a POST; every GET receives a 404."""

    status: int = 200
    body: bytes = json.dumps(COMPLETION).encode()
    headers: dict = field(default_factory=lambda: {"Content-Type": "application/json"})


@dataclass
class Request:
    method: str
    path: str
    headers: list
    body: bytes


@contextmanager
def serve(
    *answers: Answer, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1", port: int = 0
) -> Iterator[tuple[str, list[Request]]]:
    """Yields the URL of an upstream and the list of its requests. Responses are used in order; the last is repeated."""
    seen, remaining = [], list(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are separate writes; the second would wait for an ACK

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            seen.append(Request(self.command, self.path, self.headers.items(), self.rfile.read(length)))
            if self.command == "POST":
                reply = remaining.pop(0) if len(remaining) > 1 else remaining[0]
            else:
                reply = Answer(404, b"")
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": len(reply.body)}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = answer

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

        def handle_error(self, *_: object) -> None:
            pass  # a test expects a client that rejects the certificate

    server = Server((address, port), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    scheme = "https" if tls else "http"
    try:
        yield f"{scheme}://{f'[{address}]' if ':' in address else address}:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def by_number(streams: list[bytes]) -> Iterator[str]:
    """Yields the URL of an upstream that answers with the stream whose number a request has as its `seed`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            stream = streams[json.loads(self.rfile.read(int(self.headers["Content-Length"])))["seed"]]
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Content-Length", str(len(stream)))
            self.end_headers()
            self.wfile.write(stream)

        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def echoing() -> Iterator[str]:
    """Yields the URL of a fast upstream that returns the last message of each request, as a stream if requested."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked = json.loads(body)
            # At most the first 200 characters of the message are returned.
            text = asked["messages"][-1]["content"][:200]
            if asked.get("stream"):
                self.reply("text/event-stream", b"".join(self.events(text)))
            else:
                choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
                self.reply("application/json", json.dumps({**COMPLETION, "choices": [choice]}).encode())

        def events(self, text: str) -> Iterator[bytes]:
            for part in (text[:3], text[3:]):
                yield self.event({"index": 0, "delta": {"content": part}, "finish_reason": None})
            yield self.event({"index": 0, "delta": {}, "finish_reason": "stop"})
            yield b"data: [DONE]\n\n"

        def event(self, choice: dict[str, Any]) -> bytes:
            chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
            return b"data: " + json.dumps({**chunk, "choices": [choice]}).encode() + b"\n\n"

        def reply(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # tests kill proxies all the time

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
