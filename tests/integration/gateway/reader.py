"""A reader of `/api/events` in a thread of its own, as browsers have one, but for coming again."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import httpx

from tests.plain_http import NO_AUTHORITIES

if TYPE_CHECKING:
    from tests.integration.gateway.served import Gateway

KEY_HEADER = "X-Api-Key"


class Reader:
    """`events` are (id, type, data) in the order in which they came; `last` is the last id noted."""

    def __init__(
        self, gateway: Gateway, key: str, *, last: str | None = None, **query: str
    ) -> None:
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{gateway.port}",
            timeout=httpx.Timeout(10, read=60),
            headers={KEY_HEADER: key},
            verify=NO_AUTHORITIES,
        )
        self._query = query
        self.last = last
        self.events: list[tuple[int, str, dict[str, Any]]] = []
        self.comments: list[str] = []
        self.status: int | None = None
        self.whole = False  # the stream was ended, and not cut
        self.over = threading.Event()
        self.open = threading.Event()
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def texts(self) -> list[str]:
        return [data["data"]["text"] for _, kind, data in self.events if kind == "message.received"]

    @property
    def ids(self) -> list[int]:
        return [number for number, _, _ in self.events]

    def close(self) -> None:
        """Leave; harmless twice."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._client.close()

    def __enter__(self) -> Self:
        self._thread.start()
        began = self.open.wait(10)
        if self.status != 200:
            self.close()
        assert began, "the stream did not begin"
        assert self.status == 200, self.status
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        headers = {} if self.last is None else {"Last-Event-ID": self.last}
        try:
            with self._client.stream(
                "GET", "/api/events", params=self._query, headers=headers
            ) as answer:
                self.status = answer.status_code
                self._socket = answer.extensions["network_stream"].get_extra_info("socket")
                self._read(answer)
                self.whole = True
        except (httpx.HTTPError, RuntimeError, OSError):
            pass  # cut, or closed by the test
        finally:
            self.over.set()
            self.open.set()

    def _read(self, answer: httpx.Response) -> None:
        block: dict[str, str] = {}
        for line in answer.iter_lines():
            if not line:
                self._take(block)
                block = {}
            elif line.startswith(":"):
                self.comments.append(line)
            else:
                name, _, value = line.partition(": ")
                block[name] = value

    def _take(self, block: dict[str, str]) -> None:
        self.last = block.get("id", self.last)
        if "data" in block:
            data = json.loads(block["data"])
            self.events.append((int(block["id"]), block["event"], data))
        self.open.set()
