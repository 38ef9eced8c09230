"""A person with a browser, as far as HTTP goes: keeps cookies, and sends the forms of pages."""

from __future__ import annotations

import re
from contextlib import contextmanager
from html import unescape
from typing import TYPE_CHECKING, Self

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.integration.gateway.served import Gateway
    from tests.processes.instance import Instance

_TOKEN = re.compile(r'<body data-token="([^"]+)">')


class Person(httpx.Client):
    """Logged in with `key`; None only looks."""

    def __init__(self, gateway: Gateway | Instance, key: str | None) -> None:
        super().__init__(
            base_url=f"http://127.0.0.1:{gateway.port}", follow_redirects=True, timeout=20
        )
        self.token = ""
        if key is not None:
            page = self.post("/console/login", data={"key": key})
            assert page.status_code == 200, page.text
            found = _TOKEN.search(page.text)
            assert found, page.text
            self.token = unescape(found[1])

    def submit(self, address: str, **fields: str) -> httpx.Response:
        """Sends a form of a page."""
        return self.post(address, data={"token": self.token, **fields})

    def part(self, address: str) -> httpx.Response:
        """Requests a part, as the script of a page does after a form."""
        return self.get(address, headers={"X-Teimoso-Part": "1"})

    @contextmanager
    def follow(self, address: str) -> Iterator[Iterator[tuple[str, str]]]:
        """The blocks of a page's stream, as (event, data); of a comment, ("", its text)."""
        headers = {"Accept": "text/event-stream"}
        with self.stream("GET", address, headers=headers, timeout=60) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield _blocks(answer.iter_text())

    def __enter__(self) -> Self:
        return self  # it is open since the login


def _blocks(pieces: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The blocks as a browser reads them: a lone CR ends a line too."""
    left = ""
    for piece in pieces:
        left += piece.replace("\r\n", "\n").replace("\r", "\n")
        *blocks, left = left.split("\n\n")
        for block in blocks:
            fields = [line.partition(": ")[::2] for line in block.split("\n")]
            name = next((value for field, value in fields if field == "event"), "")
            lines = [value for field, value in fields if field == ("data" if name else "")]
            if lines:
                yield name, "\n".join(lines)
