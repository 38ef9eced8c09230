"""Stores the registry of connections in SQLite or Firestore: states desired by the gateway, observed by owners and root.

The gateway writes what is desired, the root reads it and reconciles (on a poke and every 2 s);
the observed state lies beside it in a map of its own that nothing here writes but `observe`.

A connection's document lies under its name, and has its id (`connection_ids.py`). A call with the id of a
deleted connection changes nothing of the next one of that name (G12).
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from actors.runtime.connection_ids import (
    id_in,
    is_connection,
    is_name,
    name_of,
    new_id,
)
from actors.runtime.connection_options import ConnectionOptions
from actors.state.connection_document import ENGINE, Observed
from actors.state.documents import CONNECTIONS, Write
from actors.state.events.derivation import of_connection, of_limit, of_pairing, of_rename

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.runtime.limits.limits import Limit
    from actors.state.connection_document import ConnectionDocument, Desired
    from actors.state.documents import Cursor, Document, Documents, EventsOf

NO_OPTIONS = ConnectionOptions()


class InvalidConnectionId(ValueError):
    """The name is not 1 to 64 of ``a-z 0-9 _ -``, beginning with a letter or digit."""

    code = "invalid_connection_id"


class ConnectionExists(Exception):
    """The name is taken, perhaps by a connection that is still being removed (`deleting`)."""

    code = "connection_exists"

    def __init__(self, *, deleting: bool = False) -> None:
        super().__init__("being removed" if deleting else "exists")
        self.deleting = deleting


class ConnectionNotFound(LookupError):
    """There is no such connection, or it was deleted."""

    code = "connection_not_found"


@dataclass(frozen=True, slots=True)
class Connection:
    """One WhatsApp account that the service shall hold, with fields of its document (`connection_document.py`).

    The `id` never comes again; the `name` may, once the connection is removed. `falls` are the times of its
    short lives, as the root noted them last.
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
    options: ConnectionOptions = NO_OPTIONS

    @property
    def name(self) -> str:
        """The part of the id that people use."""
        return name_of(self.id)


class ConnectionPage(NamedTuple):
    """Connections by name; `next` is None at the end."""

    items: tuple[Connection, ...]
    next: Cursor | None


class Connections:
    """The registry: the desired state survives each write of the observed one, and the other way round.

    Each change is one atomic read and write of the connection's document, so that a change races
    with no deletion: a deleted connection stays deleted. Every method raises `StoreAway` when the store
    cannot answer.
    """

    def __init__(
        self,
        documents: Documents,
        *,
        limit: Limit | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`limit` is MAX_CONNECTIONS, held by `create`; None holds none."""
        self._documents = documents
        self._limit = limit
        self._clock = clock

    async def create(
        self,
        name: str,
        *,
        id: str | None = None,  # noqa: A002 - the field's word
        engine: str = ENGINE,
        webhook: str | None = None,
        desired: Desired = "running",
        options: ConnectionOptions = NO_OPTIONS,
        writes: Sequence[Write] = (),
    ) -> Connection:
        """Register a connection, with `writes` in the same batch.

        They may refer to an `id` that `new_id` made before.

        Raises `InvalidConnectionId`, `ConnectionExists`, `LimitReached`.
        """
        if not is_name(name):
            raise InvalidConnectionId("1 to 64 of a-z 0-9 _ -, a letter or digit first")
        if self._limit is not None:
            # Two gateways at the limit may both pass: one connection more is no harm.
            page = await self._documents.query(CONNECTIONS, limit=self._limit.size)
            taken = any(item["id"] == name for item in page.items)
            if len(page.items) >= self._limit.size and not taken:
                raise self._limit.reached("instance")
        data: ConnectionDocument = {
            "incarnation": id or new_id(name),
            "engine": engine,
            "webhook": webhook,
            "desired": desired,
            "generation": 0,
            "recover": 0,
            "created_at": self._clock(),
            "deleted": False,
        }
        document = {**data, **asdict(options)}

        def made(there: Document | None) -> Document:
            if there is not None:
                raise ConnectionExists(deleting=there["deleted"])
            return document

        create = Write("change", CONNECTIONS, name, change=made)
        await self._documents.batch([create, *writes])
        return of_document({"id": name, **document})

    async def get(self, named: str, *, deleted: bool = False) -> Connection | None:
        """The connection with that name or id; one marked as deleted only with `deleted`.

        A name that no connection can have is not an error here: there is none.
        """
        if not is_connection(named):
            return None
        document = await self._documents.get(CONNECTIONS, name_of(named))
        if document is None or (document["deleted"] and not deleted):
            return None
        found = of_document(document)
        return found if named in (found.name, found.id) else None

    async def list(
        self, *, limit: int | None = None, after: Cursor | None = None, deleted: bool = False
    ) -> ConnectionPage:
        """A page of connections by name (all without `limit`). Raises `InvalidCursor`.

        A page may be shorter than `limit` where `deleted` ones were left out.
        """
        page = await self._documents.query(CONNECTIONS, limit=limit, after=after)
        items = (of_document(item) for item in page.items if deleted or not item["deleted"])
        return ConnectionPage(tuple(items), page.next)

    async def set_desired(self, connection: str, desired: Desired) -> Connection:
        """Raises `ConnectionNotFound`."""
        return await self._change(connection, lambda _: {"desired": desired})

    async def configure(self, connection: str, **changes: Any) -> Connection:
        """Change fields of its `ConnectionOptions`. Raises `ConnectionNotFound`."""
        replace(NO_OPTIONS, **changes)  # raises TypeError for another field
        return await self._change(connection, lambda _: changes)

    async def raise_generation(self, connection: str) -> Connection:
        """Ask for a restart. Raises `ConnectionNotFound`."""
        return await self._change(connection, lambda d: {"generation": d["generation"] + 1})

    async def request_recovery(self, connection: str) -> Connection:
        """Ask for recovery at once. Raises `ConnectionNotFound`."""
        return await self._change(connection, lambda d: {"recover": d["recover"] + 1})

    async def delete(self, connection: str) -> Connection:
        """Mark as deleted: the root stops it, cleans up and then calls `remove`.

        Raises `ConnectionNotFound`, also when it is marked already.
        """
        return await self._change(connection, lambda _: {"deleted": True, "desired": "stopped"})

    async def remove(self, connection: str) -> None:
        """Forget a connection that is marked as deleted; the name is free again. Harmless twice.

        Raises `ValueError` for one that is not marked: nobody asked for its removal.
        """

        def check(document: Document | None) -> None:
            if document is None or not is_of(document, connection):
                raise ConnectionNotFound(connection)
            if not document["deleted"]:
                raise ValueError("the connection is not marked as deleted")

        name = name_of(connection)
        with suppress(ConnectionNotFound):  # in one batch: the next connection of the name stays
            await self._documents.batch(
                [
                    Write("change", CONNECTIONS, name, change=check),
                    Write("delete", CONNECTIONS, name),
                ]
            )

    async def observe(self, connection: str, observed: Observed) -> bool:
        """Write what is observed unless something newer is there; False then, or if it is gone."""
        written = False

        def change(document: Document) -> Document | None:
            nonlocal written
            changed = with_observed(document, observed)
            written = changed is not None
            return changed

        await self._documents.batch([updating(connection, change, events=of_connection)])
        return written

    async def _change(
        self, connection: str, update: Callable[[Document], dict[str, Any]]
    ) -> Connection:
        """Every change leaves its trace in a deleted or missing document: none."""
        if not is_connection(connection):
            raise ConnectionNotFound(connection)
        changed: Document | None = None

        def change(document: Document) -> Document | None:
            nonlocal changed
            changed = None if document["deleted"] else {**document, **update(document)}
            return changed

        await self._documents.batch([updating(connection, change)])
        if changed is None:
            raise ConnectionNotFound(connection)
        return of_document(changed)


def is_of(document: Document | None, connection: str) -> bool:
    """Whether a document of ``whatsapp_connection_states`` describes the connection with that id."""
    return document is not None and id_in(document) == connection


def requiring(connection: str) -> Write:
    """The write that fails its batch with `ConnectionNotFound` where the connection is deleted."""

    def check(document: Document | None) -> None:
        if document is None or document["deleted"] or not is_of(document, connection):
            raise ConnectionNotFound(connection)

    return Write("change", CONNECTIONS, name_of(connection), change=check)


def updating(
    connection: str,
    change: Callable[[Document], Document | None],
    *,
    events: EventsOf | None = None,
) -> Write:
    """The write that changes the document of the connection with that id; nothing if it is gone."""

    def run(document: Document | None) -> Document | None:
        return change(document) if document is not None and is_of(document, connection) else None

    return Write("change", CONNECTIONS, name_of(connection), change=run, events=events)


def with_observed(document: Document, observed: Observed) -> Document | None:
    """The connection's document with `observed` in it; None if it has a newer one.

    The greater (epoch, since) wins; of the same, the later beat.
    """
    stored = _observed(document)
    if stored is not None and _age(stored) > _age(observed):
        return None
    return {**document, "observed": asdict(observed)}


def showing(connection: str, epoch: int, notice: Document) -> Write:
    """The write that notes that the owner shows a QR or a code, unless a later one is noted.

    `notice` has the fields of `reporter.PairingNotice`.
    """
    noted = {**notice, "epoch": epoch}

    def change(document: Document) -> Document | None:
        stored = document.get("pairing") or {"epoch": 0, "number": 0}
        if (stored["epoch"], stored["number"]) >= (epoch, notice["number"]):
            return None
        return {**document, "pairing": noted}

    return updating(connection, change, events=of_pairing)


def limiting(connection: str, limit: Document) -> Write:
    """The write that notes until when WhatsApp limits the account, and why; of None that it does not.

    `limit` has the fields of `account_limits.LimitNotice`; its time is that of the first who noted it.
    """

    def change(document: Document) -> Document | None:
        stored = document.get("limit") or {"until": None, "reason": None}
        if (stored["until"], stored["reason"]) == (limit["until"], limit["reason"]):
            return None
        return {**document, "limit": limit}

    return updating(connection, change, events=of_limit)


def renaming(connection: str, former: str, chat: str, at: float) -> Write:
    """The write that notes that the chat `former` is `chat` from now on; again of the same two nothing."""

    def change(document: Document) -> Document | None:
        stored = document.get("renamed") or {}
        if (stored.get("former"), stored.get("chat")) == (former, chat):
            return None
        return {**document, "renamed": {"former": former, "chat": chat, "at": at}}

    return updating(connection, change, events=of_rename)


def _age(observed: Observed) -> tuple[int, float, float]:
    return observed.epoch, observed.since, observed.beat


def of_document(document: Document) -> Connection:
    """The connection that a document of ``whatsapp_connection_states`` describes."""
    return Connection(
        id=id_in(document),
        engine=document["engine"],
        webhook=document["webhook"],
        desired=document["desired"],
        generation=document["generation"],
        recover=document["recover"],
        created_at=document["created_at"],
        deleted=document["deleted"],
        observed=_observed(document),
        falls=tuple((document.get("falls") or {}).get("at", ())),
        options=ConnectionOptions.of(document),
    )


def _observed(document: Document) -> Observed | None:
    there = document.get("observed")
    return None if there is None else Observed(**there)
