"""Declares the state store's interface, collections and indexed queries, over SQLite and Firestore; splits batches.

`docs/collections.md` lists the collections and their fields.

An index serves each query that the service makes (see `QUERIES`). SQLite answers another one too,
by reading the whole collection; Firestore refuses it, as if it were away.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from actors.state.events.event import Event

CONNECTIONS = "whatsapp_connection_states"
MESSAGES = "whatsapp_messages"
CONTACTS = "whatsapp_contacts"
CHATS = "whatsapp_chats"
LABELS = "whatsapp_labels"
JOBS = "message_queue_jobs"
RECOVERY_ACTIONS = "recovery_actions"
HEALTH_STATUS = "health_status"
HEALTH_ALERTS = "health_alerts"
FILE_OWNERS = "file_owners"
API_KEYS = "api_keys"
KEY_ISSUER = "key_issuer"
REVOKED_KEYS = "revoked_keys"
EVENTS = "events"
EVENT_LOG = "event_log"
WEBHOOKS = "webhooks"
DELIVERIES = "webhook_deliveries"
DELIVERED = "webhook_delivered"
QUOTAS = "quotas"

LATEST, COMPARISON, INSTANCE_BACKUP = "latest", "comparison", "instance_backup"
"""Documents of health_status: the last verdict, the last comparison of the queue with its view, scheduled backups."""

HEAD = "head"  # the one document of event_log

ISSUER = "issuer"  # the one document of key_issuer

BATCH_LIMIT = 500  # Firestore's bound on the writes of one commit

WRITES_WITH_EVENTS = BATCH_LIMIT - 16
"""Writes of a batch that makes events, at most: leaves room for those in the 10 MiB of a commit."""

RECORDS_PER_BATCH = WRITES_WITH_EVENTS // 3
"""Records of the queue that one batch mirrors: three documents each, at most."""

BATCH_BYTES = 4 * 2**20
"""Of the writes of a batch, by `weight`: with their events well below Firestore's 10 MiB."""

PAGE_BYTES = 2**20
"""Of a page of documents that holds texts from outside: what is shown at once is made in a moment, however long they are."""

# The queries that an index serves: equality on all but the last field, order and range on the
# last. Each may carry further equalities, which are then filtered along the index.
QUERIES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    MESSAGES: (
        ("at",),
        ("connection", "at"),
        ("connection", "chat", "at"),  # the most selective first: of equals, the first serves
        ("connection", "status", "at"),
        ("connection", "direction", "at"),
    ),
    CONTACTS: (("connection", "sort_name"), ("connection",)),
    CHATS: (("connection", "at"), ("connection",), ("connection", "active_at"), ("active_at",)),
    LABELS: (("connection",),),
    JOBS: (("connection", "updated_at"), ("status", "updated_at")),
    RECOVERY_ACTIONS: (("at",), ("connection", "at")),
    HEALTH_ALERTS: (("at",), ("subject", "at"), ("active", "at")),
    API_KEYS: (("hash",),),
    EVENTS: (("last",), ("first",)),
    FILE_OWNERS: (("at",),),
    DELIVERIES: (
        ("at",),
        ("webhook", "seq"),
        ("webhook", "status", "seq"),
        ("webhook", "lane", "seq"),
    ),
    DELIVERED: (("at",), ("webhook", "at")),
}

# By these too documents are listed, each alone or with others. SQLite filters them along an index of
# the above; Firestore, which serves several equalities by merging, needs one of each with the order.
FILTERS: Mapping[str, tuple[str, ...]] = {
    MESSAGES: ("chat", "direction", "status"),
    CHATS: ("archived", "pinned", "unread"),
}

Document = dict[str, Any]
Cursor = str
Op = Literal["set", "merge", "create", "delete", "change", "advance"]
Comparison = Literal["==", "<", "<=", ">", ">="]

# Takes the document as it is (with its ``id``), None when there is none; returns the whole new
# document, or None to leave it. Must be pure: it runs in another thread, and again on a conflict.
Change = Callable[[Document | None], Mapping[str, Any] | None]

# Takes the document before and after a write that changed it; returns the events of the change. Pure as well.
EventsOf = Callable[[Document | None, Document | None], Sequence["Event"]]


class StoreAway(Exception):
    """The store cannot answer now; whether a write arrived is unknown. Repeat it: ids are stable."""

    code = "store_away"


class WriteRefused(ValueError):
    """The store never takes one of these writes: none of them is written, and a repeat changes nothing.

    Several writes that are refused may each be taken by themselves: a caller halves them until it has
    the one. Its text names no content.
    """

    code = "document_refused"


class InvalidCursor(ValueError):
    """A cursor that this store did not give for this query."""

    code = "invalid_cursor"


@dataclass(frozen=True, slots=True)
class Where:
    """A condition on a field (dotted path). Only values of the same JSON type match."""

    field: str
    op: Comparison
    value: str | float | bool | None


@dataclass(frozen=True, slots=True)
class Order:
    """An order by a field (dotted path). A document that lacks the field is not listed.

    Writers of such a field give it one JSON type, never null.
    """

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a query; `next` is None at the end."""

    items: list[Document]
    next: Cursor | None


@dataclass(frozen=True, slots=True)
class Write:
    """One write of a batch.

    ``set`` replaces · ``merge`` merges maps deeply, a list or an empty map replaces · ``create``
    is skipped where the document exists · ``delete`` · ``change`` runs `change` on what is there ·
    ``advance`` replaces, unless the one that is there is ahead: in the numbers of the fields `by`,
    of which the first that differs decides, and one that is missing counts as 0. Fields of the present
    document under the names in `keep` stay.

    Its `events` are in the outbox with it or not at all, and once: a repeat that
    changes nothing has none. `bytes` is about how much a ``change`` writes, where that is
    known before.
    """

    op: Op
    collection: str
    id: str
    data: Mapping[str, Any] = field(default_factory=dict)
    change: Change | None = None
    by: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    events: EventsOf | None = None
    bytes: int = 0


class Documents(Protocol):
    """The state store. A write is durable (fsync) when its call returns.

    Data is JSON: maps with string keys, lists, strings, finite numbers, booleans, null. A read
    document carries its id as ``"id"``; written data may carry it too, then it must be the same.
    Every method raises `StoreAway` when the store cannot answer: repeat it. Those that write raise
    `WriteRefused` for what this store never takes (Firestore: a document above 1 MiB, a commit above 10 MiB).
    `ValueError` is a mistake of the caller: arguments that no store takes (an id that is empty or has a
    ``/``, a batch of more than 500). All processes of an instance may use the store at once; each method
    is safe to call concurrently.
    """

    @property
    def billed(self) -> bool:
        """Whether each document is paid for: periodic reads and writes are rarer then."""

    async def get(self, collection: str, id: str) -> Document | None:  # noqa: A002
        """The document, None when there is none."""

    async def set(
        self,
        collection: str,
        id: str,  # noqa: A002
        data: Mapping[str, Any],
        *,
        merge: bool = False,
    ) -> None:
        """Replace the document, or merge into it (deeply, creating it where missing)."""

    async def create(self, collection: str, id: str, data: Mapping[str, Any]) -> bool:  # noqa: A002
        """Write the document if there is none; False, and nothing written, if there is."""

    async def change(self, collection: str, id: str, change: Change) -> Document | None:  # noqa: A002
        """Read, decide and write without another writer in between; the document afterwards."""

    async def delete(self, collection: str, id: str) -> None:  # noqa: A002
        """Remove the document; harmless when there is none."""

    async def batch(self, writes: Sequence[Write]) -> None:
        """Apply all writes in order, or none (also across a crash), and their events with them.

        At most 500; `WRITES_WITH_EVENTS` where any has events.
        """

    async def query(
        self,
        collection: str,
        *,
        where: Sequence[Where] = (),
        order: Sequence[Order] = (),
        limit: int | None = None,
        most_bytes: int | None = None,
        after: Cursor | None = None,
    ) -> Page:
        """Documents that meet every condition, in order, ties broken by id.

        With `most_bytes` the page ends early, with the document by which it has that many.

        Without `order`: by the field of a range condition, else by id. A range is possible on one
        field, which is then the first of `order`. `after` continues behind the page that gave the
        cursor; the other arguments but `limit` must be the same, else `InvalidCursor`.
        """

    async def close(self) -> None:
        """Finish what was asked and let go of the store. Harmless twice."""


def weight(write: Write) -> int:
    """About how many bytes the write is in a commit."""
    return len(write.collection) + len(write.id) + max(write.bytes, size_of(write.data))


def size_of(value: object) -> int:
    """About how many bytes a value of a document takes; a value that is no JSON counts as nothing."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode(errors="replace"))
    if isinstance(value, Mapping):
        return sum(len(name) + size_of(each) + 4 for name, each in value.items() if name)
    if isinstance(value, list | tuple):
        return sum(size_of(each) + 4 for each in value)
    return 8


async def commit_each(
    commit: Callable[[Sequence[Write]], Awaitable[None]], groups: Sequence[Sequence[Write]]
) -> list[int]:
    """Commit groups of writes, together as far as a batch has room; the places of those that are refused.

    A group is written whole or not at all, and in the order of the others. Refused groups are found by
    halves. Raises `StoreAway`: some may be written then.
    """
    if not groups:
        return []
    if len(groups) == 1 or _fits(groups):
        try:
            await commit([write for group in groups for write in group])
        except ValueError:
            if len(groups) == 1:
                return [0]
        else:
            return []
    middle = len(groups) // 2
    refused = await commit_each(commit, groups[:middle])
    return refused + [middle + each for each in await commit_each(commit, groups[middle:])]


def _fits(groups: Sequence[Sequence[Write]]) -> bool:
    if sum(map(len, groups)) > WRITES_WITH_EVENTS:
        return False
    return sum(weight(write) for group in groups for write in group) <= BATCH_BYTES


def check_batch(writes: Sequence[Write]) -> None:
    """Raise `ValueError` for a batch that no store takes."""
    limit = WRITES_WITH_EVENTS if any(write.events for write in writes) else BATCH_LIMIT
    if len(writes) > limit:
        raise ValueError(f"such a batch has at most {limit} writes")
