"""An endpoint of webhooks on loopback: answers as the test sets it, checks each signature, stores all."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from standardwebhooks import Webhook, WebhookVerificationError

from tests.processes.valkey import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from httpx import Client


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # as many may connect at once
    daemon_threads = True
    block_on_close = False


class Receiver:
    """Answers each delivery with what `answer` says (204 where it says None); may be down.

    `taken` are the events that were answered 2xx, `refused` those that were not, in their order;
    `forged` counts what no secret in `secrets` had signed. At most `most` were ever on their way, and
    of one chat `most_of_chat`. `headers` are those of the last request. Each answer takes `seconds`.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.secrets: list[str] = []
        self.taken: list[dict[str, Any]] = []
        self.refused: list[dict[str, Any]] = []
        self.forged = 0
        self.most = self.most_of_chat = 0
        self.seconds = 0.0
        self.headers: dict[str, str] = {}
        self.answer: Callable[[dict[str, Any]], int | None] = lambda _: None
        self.location = ""
        self._now = 0
        self._chats: Counter[Any] = Counter()
        self._gate = threading.Lock()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def seqs(self) -> list[int]:
        return [each["seq"] for each in self.taken]

    @property
    def texts(self) -> list[str]:
        """Returns the texts of the received messages among the events taken."""
        received = [each for each in self.taken if each["type"] == "message.received"]
        return [each["data"]["text"] for each in received]

    @property
    def in_order(self) -> bool:
        """Whether the events of each chat came in their order, but for what was repeated."""
        chats: dict[Any, list[int]] = {}
        for each in self.taken:
            chats.setdefault((each["connection"], each["data"].get("chat")), []).append(each["seq"])
        firsts = [list(dict.fromkeys(seqs)) for seqs in chats.values()]
        return all(seqs == sorted(seqs) for seqs in firsts)

    def take(self, body: bytes, headers: dict[str, str]) -> int:
        event = json.loads(body)
        chat = event.get("connection"), event.get("data", {}).get("chat")
        with self._gate:
            self._now += 1
            self._chats[chat] += 1
            self.most = max(self.most, self._now)
            self.most_of_chat = max(self.most_of_chat, self._chats[chat])
            self.headers = headers
        try:
            time.sleep(self.seconds)
            if not any(_signed(secret, body, headers) for secret in self.secrets):
                self.forged += 1
                return 401
            assert headers["webhook-id"] == event["id"]
            assert headers["content-type"] == "application/json"
            status = self.answer(event) or 204
            (self.taken if 200 <= status < 300 else self.refused).append(event)
            return status
        finally:
            with self._gate:
                self._now -= 1
                self._chats[chat] -= 1

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(length := int(self.headers["content-length"]))
                if len(body) < length:  # the sender is gone
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = receiver.take(body, headers)
                self.send_response(status)
                if receiver.location:
                    self.send_header("location", receiver.location)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Nobody listens any more."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _signed(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def add(api: Client, receiver: Receiver, **more: Any) -> dict[str, Any]:
    """A webhook that leads to `receiver`, which knows its secret."""
    answer = api.post("/api/webhooks", json={"url": receiver.url, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    receiver.secrets.append(made["secret"])
    return made
