"""Which connections there are and what is desired of them: the registry on the documents port.

The gateway writes what is desired, the root reads it and reconciles (on a poke and every 2 s);
what is observed lies beside it in a map of its own that nothing here writes but `observe`.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from actors.redis.keys import is_connection
from actors.state.documents import CONNECTIONS, Write
from actors.state.events.derivation import of_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.state.documents import Cursor, Document, Documents

DEFAULT_ENGINE = "native"

Desired = Literal["running", "stopped", "logged_out"]


class InvalidConnectionId(ValueError):  # noqa: N818 - reads as what it is
    """The id is not 1 to 64 of ``a-z 0-9 _ -``, beginning with a letter or digit."""

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
    retry_at: float | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """One WhatsApp account that the service shall hold.

    `generation` and `recover` are counters: a higher number than the one last acted upon asks for
    a restart, or for a recovery now (out of ``failed``, without waiting for the backoff). `falls`
    are the times of its short lives, as the root noted them last.
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
    falls: tuple[float, ...] = field(default=(), compare=False)


class ConnectionPage(NamedTuple):
    """Connections by id; `next` is None at the end."""

    items: tuple[Connection, ...]
    next: Cursor | None


class Connections:
    """The registry: what is desired survives whatever is observed, and the other way round.

    Each change is one atomic read and write of the connection's document, so that a change races
    with no deletion: what is gone stays gone. Every method raises `StoreAway` when the store
    cannot answer.
    """

    def __init__(
        self,
        documents: Documents,
        *,
        limit: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`limit` is MAX_CONNECTIONS, held by `create`; None holds none."""
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
        writes: Sequence[Write] = (),
    ) -> Connection:
        """With `writes` in the same batch.

        Raises `InvalidConnectionId`, `ConnectionExists`, `TooManyConnections`.
        """
        if not is_connection(connection):
            raise InvalidConnectionId("1 to 64 of a-z 0-9 _ -, a letter or digit first")
        if self._limit is not None:
            # Two gateways at the limit may both pass: one connection more is no harm.
            page = await self._documents.query(CONNECTIONS, limit=self._limit)
            taken = any(item["id"] == connection for item in page.items)
            if len(page.items) >= self._limit and not taken:
                raise TooManyConnections(f"MAX_CONNECTIONS is {self._limit}")
        data = {
            "engine": engine,
            "webhook": webhook,
            "desired": desired,
            "generation": 0,
            "recover": 0,
            "created_at": self._clock(),
            "deleted": False,
        }

        def made(there: Document | None) -> Document:
            if there is not None:
                raise ConnectionExists(deleting=there["deleted"])
            return data

        create = Write("change", CONNECTIONS, connection, change=made)
        await self._documents.batch([create, *writes])
        return of_document({"id": connection, **data})

    async def get(self, connection: str, *, deleted: bool = False) -> Connection | None:
        """The connection; one marked as deleted only where `deleted` asks for it.

        An id that no connection can have is not an error here: there is none.
        """
        if not is_connection(connection):
            return None
        document = await self._documents.get(CONNECTIONS, connection)
        if document is None or (document["deleted"] and not deleted):
            return None
        return of_document(document)

    async def list(
        self, *, limit: int | None = None, after: Cursor | None = None, deleted: bool = False
    ) -> ConnectionPage:
        """A page of connections by id (all without `limit`). Raises `InvalidCursor`.

        A page may be shorter than `limit` where `deleted` ones were left out.
        """
        page = await self._documents.query(CONNECTIONS, limit=limit, after=after)
        items = (of_document(item) for item in page.items if deleted or not item["deleted"])
        return ConnectionPage(tuple(items), page.next)

    async def set_desired(self, connection: str, desired: Desired) -> Connection:
        """Raises `ConnectionNotFound`."""
        return await self._change(connection, lambda _: {"desired": desired})

    async def raise_generation(self, connection: str) -> Connection:
        """Ask for a restart. Raises `ConnectionNotFound`."""
        return await self._change(connection, lambda d: {"generation": d["generation"] + 1})

    async def ask_recover(self, connection: str) -> Connection:
        """Ask for recovery at once. Raises `ConnectionNotFound`."""
        return await self._change(connection, lambda d: {"recover": d["recover"] + 1})

    async def delete(self, connection: str) -> Connection:
        """Mark as deleted: the root stops it, cleans up and then calls `remove`.

        Raises `ConnectionNotFound`, also when it is marked already.
        """
        return await self._change(connection, lambda _: {"deleted": True, "desired": "stopped"})

    async def remove(self, connection: str) -> None:
        """Forget a connection that is marked as deleted; the id is free again. Harmless twice.

        Raises `ValueError` for one that is not marked: nobody asked for its removal.
        """
        document = await self._documents.get(CONNECTIONS, connection)
        if document is None:
            return
        if not document["deleted"]:
            raise ValueError("the connection is not marked as deleted")
        await self._documents.delete(CONNECTIONS, connection)

    async def observe(self, connection: str, observed: Observed) -> bool:
        """Write what is observed unless something newer is there; False then, or if it is gone."""
        written = False

        def change(document: Document | None) -> Document | None:
            nonlocal written
            changed = with_observed(document, observed)
            written = changed is not None
            return changed

        await self._documents.batch(
            [Write("change", CONNECTIONS, connection, change=change, tells=of_connection)]
        )
        return written

    async def _change(
        self, connection: str, update: Callable[[Document], dict[str, Any]]
    ) -> Connection:
        """Every change leaves its trace in a deleted or missing document: none."""
        if not is_connection(connection):
            raise ConnectionNotFound(connection)
        changed: Document | None = None

        def change(document: Document | None) -> Document | None:
            nonlocal changed
            there = document is not None and not document["deleted"]
            changed = {**document, **update(document)} if document is not None and there else None
            return changed

        await self._documents.change(CONNECTIONS, connection, change)
        if changed is None:
            raise ConnectionNotFound(connection)
        return of_document(changed)


def with_observed(document: Document | None, observed: Observed) -> Document | None:
    """The connection's document with `observed` in it; None if it is gone or knows newer.

    The greater (epoch, since) wins; of the same, the later beat.
    """
    if document is None:
        return None
    known = _observed(document)
    if known is not None and _age(known) > _age(observed):
        return None
    return {**document, "observed": asdict(observed)}


def _age(observed: Observed) -> tuple[int, float, float]:
    return observed.epoch, observed.since, observed.beat


def of_document(document: Document) -> Connection:
    """The connection that a document of ``whatsapp_connection_states`` describes."""
    return Connection(
        id=document["id"],
        engine=document["engine"],
        webhook=document["webhook"],
        desired=document["desired"],
        generation=document["generation"],
        recover=document["recover"],
        created_at=document["created_at"],
        deleted=document["deleted"],
        observed=_observed(document),
        falls=tuple((document.get("falls") or {}).get("at", ())),
    )


def _observed(document: Document) -> Observed | None:
    there = document.get("observed")
    return None if there is None else Observed(**there)
