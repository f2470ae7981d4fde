"""A scripted upstream for what a real engine does not do: look at the request's headers, speak TLS, refuse oddly."""

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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
    """What the upstream answers to a POST; a GET is a 404."""

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
def serve(*answers, tls=None):
    """Gives the upstream's URL, and the list of requests it has seen. Of several answers the last one stays."""
    seen, remaining = [], list(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are two writes; the second would wait for the first one's ACK

        def answer(self):
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

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # a client that refuses the certificate is what a test wants
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    scheme = "https" if tls else "http"
    try:
        yield f"{scheme}://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
