"""The media servers: which there are, and what they ask for, as WhatsApp says it."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from actors.connection.native.transport.nodes import Node
from actors.connection.native.transport.socket import RequestFailed, iq

if TYPE_CHECKING:
    from actors.connection.native.transport.socket import Socket

_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?")
_MOST_HOSTS: Final = 16
_LONGEST_AUTH: Final = 4096
_LEAST_TTL, _MOST_TTL = 30, 86_400


class NoLink(Exception):  # noqa: N818 - reads as what it is
    """Which servers there are is not known now: the connection is not open."""


@dataclass(frozen=True, slots=True)
class MediaConnection:
    """Servers in the order in which to try them; `auth` lets uploads in. `until` is monotonic."""

    hosts: tuple[str, ...]
    auth: str = field(repr=False)
    until: float


class Hosts:
    """Asks WhatsApp once for as long as its answer holds; who asks meanwhile waits for that."""

    def __init__(self) -> None:
        self._socket: Socket | None = None
        self._known: MediaConnection | None = None
        self._lock = asyncio.Lock()

    def attach(self, socket: Socket | None) -> None:
        """Ask over this socket from now on; None: there is none."""
        self._socket = socket

    async def get(self) -> MediaConnection:
        """Raises `NoLink`, or what `Socket.request` raises."""
        async with self._lock:
            if self._known is None or time.monotonic() >= self._known.until:
                if self._socket is None:
                    raise NoLink
                reply = await self._socket.request(iq("set", "w:m", (Node("media_conn"),)))
                self._known = read(reply, time.monotonic())
            return self._known

    def refuse(self, connection: MediaConnection) -> None:
        """It serves no more: ask WhatsApp anew. Harmless where that was done meanwhile."""
        if self._known is not None and self._known.auth == connection.auth:
            self._known = None

    def avoid(self, host: str) -> None:
        """The server failed: try the others first."""
        known = self._known
        if known is not None and host in known.hosts:
            others = tuple(one for one in known.hosts if one != host)
            self._known = MediaConnection((*others, host), known.auth, known.until)


def read(reply: Node, now: float) -> MediaConnection:
    """WhatsApp's answer. Raises `RequestFailed` where it names no server."""
    found = reply.child("media_conn")
    listed = [] if found is None else [host.attrs.get("hostname", "") for host in found.children()]
    hosts = tuple(dict.fromkeys(host for host in listed if _HOST.fullmatch(host)))[:_MOST_HOSTS]
    auth = "" if found is None else found.attrs.get("auth", "")
    if found is None or not hosts or not 0 < len(auth) <= _LONGEST_AUTH:
        raise RequestFailed(0)
    times = [found.number(name) for name in ("ttl", "auth_ttl")]
    ttl = min((each for each in times if each), default=_LEAST_TTL)
    return MediaConnection(hosts, auth, now + min(_MOST_TTL, max(_LEAST_TTL, ttl)))
