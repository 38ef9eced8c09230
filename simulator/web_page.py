"""Serves the page of WhatsApp Web from which clients read the current version before a login.

The port of the WebSocket serves it: `ws://HOST:PORT/ws/chat` and `http://HOST:PORT/sw.js` belong
together, as `wss://web.whatsapp.com/ws/chat` and `https://web.whatsapp.com/sw.js` do. whatsmeow reads
`/` (update.go), whatsapp-rust (version.rs) and Baileys (generics.ts) read `/sw.js`.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from simulator.server.rules.properties import EVERYONE

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

    from simulator.faults import Faults
    from simulator.server.rules.versions import Versions
    from simulator.store import Store

_REQUESTS: Final = "page_requests"


class WebPage:
    """Answers plain HTTP requests on the port of the WebSocket."""

    def __init__(self, store: Store, faults: Faults, versions: Versions) -> None:
        self._store = store
        self._faults = faults
        self._versions = versions
        self._silent: set[ServerConnection] = set()

    @property
    def requests(self) -> int:
        """Number of requests for the page, with any answer."""
        return self._store.counted(EVERYONE, _REQUESTS)

    async def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """The page, or None for a request that opens a WebSocket.

        WhatsApp refuses requests that do not look like a browser's: all three clients send
        `Sec-Fetch-Site: none` and a browser's `User-Agent`, which Baileys calls the least.
        """
        path, headers = request.path.partition("?")[0], request.headers
        if "Upgrade" in headers or path not in ("/", "/sw.js"):
            return None
        self._store.count(EVERYONE, _REQUESTS)
        fault = self._faults.strike(EVERYONE, "page_fails", "page_silent")
        if fault is not None and fault.kind == "page_silent":
            await self._be_silent(connection)
        if fault is not None:
            return connection.respond(fault.code or HTTPStatus.SERVICE_UNAVAILABLE, "Try again.\n")
        browser = headers.get("User-Agent", "").startswith("Mozilla/")
        if not browser or headers.get("Sec-Fetch-Site") != "none":
            return connection.respond(HTTPStatus.BAD_REQUEST, "Sorry, something went wrong.\n")
        revision = int(self._versions.current.rpartition(".")[2])
        kind, text = ("html", _page(revision)) if path == "/" else ("javascript", _worker(revision))
        response = connection.respond(HTTPStatus.OK, text)
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = f"text/{kind}; charset=utf-8"
        return response

    def close(self) -> None:
        """Closes the connections that got no answer."""
        for connection in tuple(self._silent):
            connection.transport.abort()

    async def _be_silent(self, connection: ServerConnection) -> None:
        """Waits until the client closes the connection."""
        self._silent.add(connection)
        try:
            await connection.wait_closed()
        finally:
            self._silent.discard(connection)


def _site(revision: int) -> str:
    data = {"server_revision": revision, "client_revision": revision, "push_phase": "C3"}
    return json.dumps({"SiteData": data}, separators=(",", ":"))


def _page(revision: int) -> str:
    return f"<!DOCTYPE html><title>WhatsApp Web</title><script>{_site(revision)}</script>\n"


def _worker(revision: int) -> str:
    """The service worker: its data is JSON inside a JavaScript string, with escaped quotes."""
    data = json.dumps('{"dynamic_data":' + _site(revision) + "}")
    return f"self.__swData=JSON.parse(/*BTDS*/{data});\n"
