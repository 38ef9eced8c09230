"""A web server on loopback with the pages in which WhatsApp names its version."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PAUSE = b"\0"
"""In an answer: what follows is sent a moment later."""

PAGE = b'<script>{"server_revision":1999999998,"client_revision":1999999999,"tier":1}</script>'


class Server:
    """A page's server: its answers by path (status and body), and the requests that it got."""

    def __init__(self, port: int) -> None:
        self.url = f"ws://127.0.0.1:{port}/ws/chat"
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.pause = 0.0


@contextmanager
def serving(**answers: bytes) -> Iterator[Server]:
    """A web server on loopback; `sw` and `page` are what it has there."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(self.path)
            server.headers.append(dict(self.headers))
            time.sleep(server.pause)
            status, body = server.answers.get(self.path, (404, b"no such page"))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", body.decode())
            self.end_headers()
            with suppress(OSError):  # enough was read
                for part in body.split(PAUSE):
                    self.wfile.write(part)
                    time.sleep(0.2 if PAUSE in body else 0)

        def log_message(self, *_: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server = Server(http.server_address[1])
    paths = {"sw": "/sw.js", "page": "/"}
    server.answers = {paths[name]: (200, body) for name, body in answers.items()}
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
