"""A server of one image, which comes once the test lets it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from tests.processes.valkey import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def slow_file() -> Iterator[tuple[str, threading.Event, threading.Event]]:
    """The URL of a file, whether it was asked for, and what lets it come."""
    asked, comes = threading.Event(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.set()
            comes.wait(60)
            self.send_response(200)
            self.send_header("Content-Type", "image/gif")
            self.send_header("Content-Length", "106")
            self.end_headers()
            self.wfile.write(b"GIF89a" + bytes(100))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/a.gif", asked, comes
    finally:
        comes.set()
        server.shutdown()
        thread.join()
        server.server_close()
