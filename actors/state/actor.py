"""Implements the StateManager (Ray actor), which writes all connections' messages and reports to SQLite or Firestore."""

from __future__ import annotations

import asyncio
import json
import time
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from actors.config.settings import Settings
from actors.messages.content import file_of
from actors.runtime.actor_base import Shell, end_tasks
from actors.runtime.deletion_time import deletion_time
from actors.runtime.limits.durations import DAY, HOUR
from actors.state import own_mistakes
from actors.state.account import app_state, chat_activity, pictures
from actors.state.batcher import Batcher, refusing, shares
from actors.state.call_events import calling
from actors.state.connection_document import Observed
from actors.state.connections import limiting, renaming, showing
from actors.state.documents import (
    CHATS,
    CONTACTS,
    EVENT_LOG,
    HEAD,
    MESSAGES,
    WRITES_WITH_EVENTS,
    Order,
    Where,
    WriteRefused,
)
from actors.state.events.outbox import is_wanted
from actors.state.fencing import Gone, Superseded, fence, fence_of_living
from actors.state.messages.file_owners import owning
from actors.state.messages.file_states import settling
from actors.state.messages.received import (
    advancing,
    changing,
    content_of,
    incoming,
    moving,
    storing,
)
from actors.state.observed_states import ObservedStates
from actors.state.open_store import open_documents
from actors.state.retention import Retention

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Literal

    from actors.state.documents import Write

MOVED_MESSAGES = (WRITES_WITH_EVENTS - 1) // 2
"""Messages that one call moves at most: each takes two writes, and one goes before them all."""


P = ParamSpec("P")
T = TypeVar("T")


def reporting(
    method: Callable[Concatenate[StateManager, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[StateManager, P], Coroutine[Any, Any, T]]:
    """As `refusing`, of a report that its caller leaves out where it is refused: that is an alert."""
    refused = refusing(method)

    @wraps(method)
    async def call(manager: StateManager, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await refused(manager, *args, **kwargs)
        except WriteRefused:
            await manager.mistaken(method.__name__)
            raise

    return call


class StateManager(Shell):
    """Writes to the state store for all connections; a confirmed call is stored (G5).

    Nothing waits in its memory alone: when its process dies, every connection sees its call fail
    and asks the successor. While the store is away each call raises `StoreAway` within seconds
    (G11). A call that never passes, because of the store or of a mistake made here, raises `WriteRefused`:
    the caller finds the one item among several by halving them.
    """

    async def _start(self) -> None:
        settings = await asyncio.to_thread(Settings.load, self.data)
        self._documents = open_documents(settings)
        self.mistaken = partial(own_mistakes.note, self._documents)
        self._batcher = Batcher(self._documents.batch)
        # The lease has each beat; where documents are paid for, the store has one an hour.
        interval = HOUR if self._documents.billed else settings.heartbeat_interval / 1000
        self._observed = ObservedStates(
            self._batcher.add, interval=interval, mistaken=self.mistaken
        )
        retention = Retention(
            self._documents,
            history=settings.history_retention_days * DAY,
            jobs=settings.job_retention_days * DAY,
            letters=settings.dead_letter_retention_days * DAY,
            events=settings.event_retention_days * DAY,
            files=settings.media_retention_days * DAY,
            messages=settings.message_retention_days * DAY,
            deletion_time=partial(deletion_time, settings.data),
        )
        self._loops = [
            asyncio.create_task(self._observed.run()),
            asyncio.create_task(retention.run()),
        ]

    @refusing
    async def store_messages(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        """True when the store has them all; safe to repeat. Raises `StoreAway` and `WriteRefused`.

        Items have the fields of `engine.InboxMessage`. Calls of many connections share a batch.
        False once a newer epoch has the connection, and then nothing is written (G6).
        """
        now = time.time()
        writes: list[Write] = []
        activities: list[chat_activity.Activity | None] = []
        for item in items:
            document = incoming(connection, item, now)
            activities.append(chat_activity.of_message(document, document["id"]))
            # In one batch: a change is there together with the message that it changed.
            content = content_of(item)
            writes += [storing(document), *changing(connection, document, content)]
            if content is not None and (file := file_of(content)) is not None:
                writes.append(owning(file.sha256, connection, now, mime=file.mime, name=file.name))
        writes += chat_activity.noting(connection, activities)
        return await self._write(connection, epoch, writes)

    @refusing
    async def note_statuses(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        """Note statuses of messages that the account's phone sent, or that have left the queue; as `store_messages`.

        Items have the fields of `engine.InboxStatus`. One whose message is not stored is skipped.
        """
        return await self._write(connection, epoch, [advancing(connection, item) for item in items])

    @refusing
    async def note_files(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        """Note what became of the files of messages; as `store_messages`.

        Items have the fields of `engine.InboxFile`. One whose message is not stored waits for it.
        """
        now = time.time()
        return await self._write(
            connection, epoch, [settling(connection, item, now) for item in items]
        )

    @reporting
    async def note_pairing(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        """Note QRs and pairing codes that are shown, without them; as `store_messages`.

        Items have the fields of `reporter.PairingNotice`. While nobody wants events nothing is
        written: a connection that nobody links shows a QR every 20 s.
        """
        if not is_wanted(await self._documents.get(EVENT_LOG, HEAD)):
            return True
        return await self._write(
            connection, epoch, [showing(connection, epoch, item) for item in items]
        )

    @reporting
    async def note_calls(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        """Write events of calls that ring or are over, while somebody wants events; as `store_messages`.

        Items have the fields of `account.port.Call`. Each state of a call has one event.
        """
        if not is_wanted(await self._documents.get(EVENT_LOG, HEAD)):
            return True
        return await self._write(connection, epoch, [calling(connection, item) for item in items])

    @reporting
    async def note_limit(self, connection: str, epoch: int, limit: dict[str, Any]) -> bool:
        """Note that WhatsApp limits the account, or does not any more; as `store_messages`.

        The fields are those of `account_limits.LimitNotice`. A limit that is noted already changes nothing.
        """
        return await self._write(connection, epoch, [limiting(connection, limit)])

    @refusing
    async def note_app_state(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        """Note changes of contacts, chats and labels; as `store_messages`.

        Items have the fields of `app_state_changes.InboxAppState`. Of a deleted connection none is kept.
        """
        writes = [
            write
            for item in items
            for write in (
                app_state.changing(connection, item),
                *pictures.forgetting(connection, item),
            )
        ]
        return await self._write(connection, epoch, writes, fence_of_living)

    @refusing
    async def clear_app_state(
        self, connection: str, epoch: int, replaced: dict[str, Any], after: str | None
    ) -> tuple[Literal["more", "done", "lost"], str | None]:
        """Clear what a full sync left out in the next documents, a page of them, behind `after`.

        `replaced` has the fields of `app_state_changes.InboxReplaced`. Safe to repeat, also from the
        beginning. ``lost`` as in `merge_chat`; raises `StoreAway`.
        """
        if not await self._write(connection, epoch, []):
            return "lost", None
        place, cursor = (0, None) if after is None else json.loads(after)
        collections = list(app_state.COLLECTIONS.values())
        page = await self._documents.query(
            collections[place],
            where=[Where("connection", "==", connection)],
            limit=WRITES_WITH_EVENTS - 1,
            after=cursor,
        )
        writes = [
            write
            for found in page.items
            if (write := app_state.clearing(collections[place], connection, found, replaced))
        ]
        if not await self._write(connection, epoch, writes, fence_of_living):
            return "lost", None
        if page.next is None:
            place += 1
        if place == len(collections):
            return "done", None
        return "more", json.dumps([place, page.next])

    @refusing
    async def merge_chat(
        self, connection: str, epoch: int, old: str, new: str
    ) -> Literal["more", "done", "lost"]:
        """Move up to `MOVED_MESSAGES` messages from the chat `old` to `new`; ``done`` once nothing is left.

        Each is in `new` once, whatever it is called for again. ``lost`` and nothing moved once a
        newer epoch has the connection. Raises `StoreAway`: items that were moved by then stay moved.
        """
        # A write of its own first: writes that came before it, also of a caller that is dead or no
        # longer waits, are in the store then, and are found. All that is stored later in `new` tells its
        # events behind this one.
        if not await self._write(connection, epoch, [renaming(connection, old, new, time.time())]):
            return "lost"
        settings = await self._settings_of(connection, old, new)
        if settings and not await self._write(connection, epoch, settings, fence_of_living):
            return "lost"
        page = await self._documents.query(
            MESSAGES,
            where=[Where("connection", "==", connection), Where("chat", "==", old)],
            order=[Order("at")],
            limit=MOVED_MESSAGES,
        )
        moves = [write for found in page.items for write in moving(found, old, new)]
        if not await self._write(connection, epoch, moves):
            return "lost"
        return "more" if page.next is not None else "done"

    @reporting
    async def report_state(self, connection: str, observed: dict[str, Any]) -> None:
        """Store a change at once, a mere beat with the next batch. Raises `StoreAway`.

        The fields are those of `connections.Observed`; the newest (epoch, since) wins.
        """
        await self._observed.report(connection, Observed(**observed))

    async def _settings_of(self, connection: str, old: str, new: str) -> list[Write]:
        """The writes that move what is noted of the address `old` as a contact and as a chat."""
        writes: list[Write] = []
        for collection in (CONTACTS, CHATS):
            there = await self._documents.get(collection, app_state.document_id(connection, old))
            if there is not None and app_state.shown(there):
                writes += app_state.moving(collection, connection, there, new)
            if there is not None and collection == CHATS:
                writes += chat_activity.moving(connection, there, new)
        return writes

    async def _write(
        self,
        connection: str,
        epoch: int,
        writes: Sequence[Write],
        fencing: Callable[[str, int], Write] = fence,
    ) -> bool:
        try:
            # Each batch has a fence of its own: an owner may be superseded between two.
            for share in shares(writes):
                await self._batcher.add([fencing(connection, epoch), *share])
        except Gone:
            return True
        except Superseded:
            return False
        return True

    async def _stop(self) -> None:
        if self._starting is None:
            return
        await self._starting
        await end_tasks(self._loops, 1.0)
        await self._observed.flush()
        await self._batcher.close()
        await self._documents.close()

    def _health(self) -> dict[str, Any]:
        batcher: Batcher | None = getattr(self, "_batcher", None)
        if batcher is None:
            return {}
        return {
            "store": batcher.away_since is None,
            "written": batcher.written,
            "batches": batcher.batches,
        }
