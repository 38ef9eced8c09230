"""Requests the list of media servers and the upload token from WhatsApp; caches both in memory until they expire."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from actors.connection.protocol.request_errors import RequestFailed

if TYPE_CHECKING:
    from collections.abc import Sequence


_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?")
_MOST_HOSTS: Final = 16
_LONGEST_AUTH: Final = 4096
_LEAST_TTL, _MOST_TTL = 30, 86_400


class NoLink(Exception):
    """The media servers are not known now: the connection is not open."""


@dataclass(frozen=True, slots=True)
class MediaConnection:
    """Servers in the order in which to try them; `auth` lets uploads in. `until` is monotonic."""

    hosts: tuple[str, ...]
    auth: str = field(repr=False)
    until: float


MediaServerQuery = Callable[[], Awaitable[MediaConnection]]
"""Asks WhatsApp for its media servers. Raises `ConnectionLost`, `RequestFailed` or `RequestTimeout`."""


class MediaServers:
    """Asks WhatsApp once for as long as its answer holds; callers meanwhile wait for that."""

    def __init__(self) -> None:
        self._query: MediaServerQuery | None = None
        self._connection: MediaConnection | None = None
        self._lock = asyncio.Lock()

    def attach(self, query: MediaServerQuery | None) -> None:
        """Ask in this way from now on; None: there is none."""
        self._query = query

    async def get(self) -> MediaConnection:
        """Raises `NoLink`, or what asking raises."""
        async with self._lock:
            if self._connection is None or time.monotonic() >= self._connection.until:
                if self._query is None:
                    raise NoLink
                self._connection = await self._query()
            return self._connection

    def refuse(self, connection: MediaConnection) -> None:
        """It serves no more: ask WhatsApp anew. Harmless where that was done meanwhile."""
        if self._connection is not None and self._connection.auth == connection.auth:
            self._connection = None

    def avoid(self, host: str) -> None:
        """The server failed: try the others first."""
        connection = self._connection
        if connection is not None and host in connection.hosts:
            others = tuple(one for one in connection.hosts if one != host)
            self._connection = MediaConnection((*others, host), connection.auth, connection.until)


def connection(
    listed: Sequence[str], auth: str, seconds: Sequence[int | None], now: float
) -> MediaConnection:
    """The servers of an answer that holds for the fewest of `seconds`. Raises `RequestFailed`."""
    hosts = tuple(dict.fromkeys(host for host in listed if _HOST.fullmatch(host)))[:_MOST_HOSTS]
    if not hosts or not 0 < len(auth) <= _LONGEST_AUTH:
        raise RequestFailed(0)
    ttl = min((each for each in seconds if each), default=_LEAST_TTL)
    return MediaConnection(hosts, auth, now + min(_MOST_TTL, max(_LEAST_TTL, ttl)))
