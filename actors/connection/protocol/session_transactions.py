"""Runs transactions of the session file, and ends WhatsApp's socket with a cause when the file refuses one."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Protocol

from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.protocol.request_errors import ConnectionLost
from actors.connection.session.file import SessionUnlinked
from actors.connection.session.session import SessionDamaged, SessionUnavailable, StaleEpoch
from actors.runtime.limits.limits import DISK_RESERVE

SessionRefusal = (StaleEpoch, SessionDamaged, SessionUnlinked, SessionUnavailable)
"""Errors by which an open session refuses."""

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from actors.connection.protocol.wire_format.nodes import Node
    from actors.connection.session.session import Session

    Low = Callable[[], Awaitable[bool]]
    """Returns whether the disk has no room for what arrives (`DiskFloor.lately`)."""


class SessionLink(Protocol):
    """A connection to WhatsApp that serves one session: a socket, or a program that has one."""

    @property
    def cause(self) -> Cause | None:
        """The cause of its end; None while it lasts."""

    def fail(self, cause: Cause) -> None:
        """End it with this cause."""


class Requester(SessionLink, Protocol):
    """A link over which WhatsApp is asked."""

    async def request(self, stanza: Node) -> Node:
        """Return WhatsApp's answer. Raises `ConnectionLost`, `RequestFailed` or `RequestTimeout`."""


class Channel(SessionLink, Protocol):
    """A link that takes answers to what came over it."""

    async def send(self, *stanzas: Node) -> None:
        """Send answers. Raises `ConnectionLost`."""


@asynccontextmanager
async def transaction(session: Session, socket: SessionLink) -> AsyncIterator[None]:
    """A transaction of the session; the socket ends with it when the session refuses.

    Raises `ConnectionLost` then, so nothing that was to follow the commit is sent: not by an owner
    whose epoch is over (G6), and not what a full disk did not take (G5).
    """
    with refusals(socket):
        async with session.transaction():
            yield


async def require_room(link: SessionLink, low: Low | None) -> None:
    """End the link as a full disk does, and raise `ConnectionLost`, where the disk is `low` (G13)."""
    if low is not None and await low():
        with refusals(link):
            raise SessionUnavailable(DISK_RESERVE)


@contextmanager
def refusals(socket: SessionLink) -> Iterator[None]:
    """Ends the socket where the session refuses, and raises `ConnectionLost`."""
    try:
        yield
    except SessionRefusal as refusal:
        cause = cause_of(refusal)
    else:
        return
    socket.fail(cause)
    raise ConnectionLost(cause, written=False)


def cause_of(refusal: Exception) -> Cause:
    """The cause that ends a connection whose session refuses."""
    if isinstance(refusal, StaleEpoch):
        return Cause(Kind.REPLACED, StaleEpoch.code)
    if isinstance(refusal, SessionDamaged):
        return Cause(Kind.BAD_SESSION, "damaged")
    if isinstance(refusal, SessionUnlinked):
        return Cause(Kind.LOGGED_OUT, "asked")
    full = isinstance(refusal, SessionUnavailable) and refusal.full
    return Cause(Kind.DISK_FULL if full else Kind.NETWORK, SessionUnavailable.code)
