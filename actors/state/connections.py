"""Which connections there are and what is desired of them: the registry on the documents port.

The gateway writes what is desired, the root reads it and reconciles (on a poke and every 2 s);
what is observed lies beside it in a map of its own that nothing here writes but `observe`.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from actors.state.documents import CONNECTIONS, Order

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from actors.state.documents import Cursor, Document, Documents

ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
DEFAULT_ENGINE = "native"

Desired = Literal["running", "stopped", "logged_out"]


class InvalidConnectionId(ValueError):  # noqa: N818 - reads as what it is
    """The id is not 1–64 of ``a-z 0-9 _ -``, beginning with a letter or digit."""

    code = "invalid_connection_id"


class ConnectionExists(Exception):  # noqa: N818 - reads as what it is
    """The id is taken, perhaps by a connection that is still being removed (`deleting`)."""

    code = "connection_exists"

    def __init__(self, *, deleting: bool = False) -> None:
        super().__init__("being removed" if deleting else "exists")
        self.deleting = deleting


class ConnectionNotFound(LookupError):  # noqa: N818 - reads as what it is
    """There is no such connection, or it was deleted."""

    code = "connection_not_found"


class TooManyConnections(Exception):  # noqa: N818 - reads as what it is
    """MAX_CONNECTIONS exist already."""

    code = "too_many_connections"


@dataclass(frozen=True, slots=True)
class Observed:
    """What a connection was last seen to be; the lease in Redis is fresher while Redis answers."""

    state: str
    cause: str | None = None
    epoch: int = 0
    since: float = 0.0
    account: str | None = None
    restarts: int = 0
    beat: float = 0.0


@dataclass(frozen=True, slots=True)
class Connection:
    """One WhatsApp account that the service shall hold.

    `generation` and `recover` are counters: a higher number than the one last acted upon asks for
    a restart, or for a recovery now (out of ``failed``, without waiting for the backoff).
    """

    id: str
    engine: str
    webhook: str | None
    desired: Desired
    generation: int
    recover: int
    created_at: float
    deleted: bool
    observed: Observed | None


class Connections:
    """The registry. Every method raises `StoreAway` when the store cannot answer."""

    def __init__(
        self,
        documents: Documents,
        *,
        limit: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._documents = documents
        self._limit = limit
        self._clock = clock

    async def create(
        self,
        connection: str,
        *,
        engine: str = DEFAULT_ENGINE,
        webhook: str | None = None,
        desired: Desired = "running",
    ) -> Connection:
        """Raises `InvalidConnectionId`, `ConnectionExists`, `TooManyConnections`."""
        raise NotImplementedError

    async def get(self, connection: str, *, deleted: bool = False) -> Connection | None:
        """The connection; one marked as deleted only where `deleted` asks for it."""
        raise NotImplementedError

    async def list(
        self, *, limit: int | None = None, after: Cursor | None = None, deleted: bool = False
    ) -> tuple[list[Connection], Cursor | None]:
        """A page of connections by id (all without `limit`), and the cursor of the next."""
        raise NotImplementedError

    async def set_desired(self, connection: str, desired: Desired) -> Connection:
        """Raises `ConnectionNotFound`."""
        raise NotImplementedError

    async def raise_generation(self, connection: str) -> Connection:
        """Ask for a restart. Raises `ConnectionNotFound`."""
        raise NotImplementedError

    async def ask_recover(self, connection: str) -> Connection:
        """Ask for recovery at once. Raises `ConnectionNotFound`."""
        raise NotImplementedError

    async def delete(self, connection: str) -> Connection:
        """Mark as deleted: the root stops it, cleans up and then calls `remove`.

        Raises `ConnectionNotFound`.
        """
        raise NotImplementedError

    async def remove(self, connection: str) -> None:
        """Forget a connection that is marked as deleted; the id is free again. Harmless twice."""
        raise NotImplementedError

    async def observe(self, connection: str, observed: Observed) -> bool:
        """Write what is observed unless something newer is there; False then, or if it is gone."""
        raise NotImplementedError


_ = (cast, Order, CONNECTIONS, Any)
if TYPE_CHECKING:
    _types = (Mapping, Document)
