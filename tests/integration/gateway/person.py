"""A person with a browser, as far as HTTP goes: keeps cookies, and sends the forms of pages."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Self

import httpx

if TYPE_CHECKING:
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
        """Requests a part, as the script of a page does."""
        return self.get(address, headers={"X-Teimoso-Part": "1"})

    def __enter__(self) -> Self:
        return self  # it is open since the login
