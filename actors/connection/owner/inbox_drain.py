"""Moves received items from the session file's inbox to the StateManager actor, and receipts to the Redis queue.

An item leaves the inbox only when what it says is stored elsewhere (G5). Repeats are harmless on
the other side: a document's id is the message's, receipts only ever move a message forward, a chat that
was merged has nothing left to merge, and of a setting the later change stays. An item that the store
refuses for good is set aside in the inbox, and the rest goes on. Once the most items that a session keeps are
set aside, a message becomes a file in its chat, which the store takes; any other item stays, and nothing behind it is
stored until a person decided on some; receipts go on.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, replace
from enum import Enum
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

import structlog

from actors.connection.abilities.app_state_changes import InboxAppState, InboxReplaced
from actors.connection.engine import InboxMessage, InboxStatus
from actors.connection.owner.reporter import FIRST_RETRY_SECONDS, LONGEST_REPORT_PAUSE
from actors.connection.refused_items.bisection import store_each
from actors.connection.session.file import SessionUnavailable
from actors.connection.state_manager.port import StateAway, StateRefused
from actors.messages.content import Delete, decode
from actors.metrics.counters import measures
from actors.redis.client import RedisAway
from actors.runtime.backoff import DoublingPause

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

    from actors.connection.address_changes.change_reporter import ChangeReporter
    from actors.connection.engine import InboxKind, InboxMerge
    from actors.connection.owner.sender import Ticket
    from actors.connection.state_manager.port import State
    from actors.queue.outbound_queue import OutboundQueue
    from actors.redis.leases.lease_record import HeldItems

log = structlog.get_logger()

T = TypeVar("T", bound="_Keyed")

ITEMS_PER_ROUND = 200

ROUND_PAUSE_SECONDS = 0.2
"""Seconds between two rounds: the first goes at once, many share a commit and one look for them."""


class _Keyed(Protocol):
    """An item of the inbox: a frozen dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def key(self) -> int: ...


class InboxSource(Protocol):
    """An inbox: an engine's, or that of a file which nobody serves."""

    async def pending(self, kind: InboxKind, limit: int) -> Sequence[Any]:
        """The oldest unsettled items of that kind, oldest first."""

    async def settle(self, keys: Sequence[int]) -> None:
        """Forget items that are stored elsewhere."""

    async def set_aside(self, key: int) -> bool:
        """Take the item out of the pending ones, until a person decides; False where there is no room."""

    async def held_items(self) -> HeldItems:
        """The numbers of items that are held back; whether more have room aside is not known here."""


class InboxDrain:
    """Empties the inbox of one connection for as long as `run` runs.

    While the StateManager or Redis is away the items stay in the session file, and each kind is
    retried by itself: receipts, which prove what was sent (G3), do not wait for messages. One of a message that
    left the queue goes to the StateManager, and waits for it.

    `on_lost` is called once a newer epoch has the connection: the store takes nothing more from
    this one, and what it would have said is its successor's to say (G6).
    """

    def __init__(
        self,
        ticket: Ticket,
        engine: InboxSource,
        lanes: OutboundQueue,
        state: State,
        *,
        on_lost: Callable[[str], None],
    ) -> None:
        self._connection, self._epoch = ticket.connection, ticket.epoch
        self._on_lost = on_lost
        self._engine = engine
        self._lanes = lanes
        self._state = state
        self.on_messages: Callable[[Sequence[InboxMessage]], None] | None = None
        """Is called with messages that arrived, before they are stored."""
        self.joins: ChangeReporter | None = None
        """Merges wait until Redis has the names of chats, and so does what follows them."""
        self.on_held: Callable[[HeldItems], None] | None = None
        """Is called with the items that the session holds back, at first and at each change."""
        self._held: HeldItems | None = None
        self._full = False
        self._messages = Stage(self._store, apart=ROUND_PAUSE_SECONDS)
        self._receipts = Stage(self._note, apart=ROUND_PAUSE_SECONDS)

    def look(self) -> None:
        """Something new is in the inbox."""
        self._messages.look()
        self._receipts.look()

    @property
    def age(self) -> float:
        """Seconds for which something has been waiting here."""
        return max(self._messages.age, self._receipts.age)

    async def run(self) -> None:
        """Drain now, and again whenever there is something new."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._messages.run())
            group.create_task(self._receipts.run())

    async def once(self) -> bool:
        """Settle all that is there; False when something has to be tried again later."""
        return all(await asyncio.gather(self._messages.once(), self._receipts.once()))

    async def finish(self) -> None:
        """Settle all that is there, however often it takes: there may be no successor."""
        while not await self.once():  # noqa: ASYNC110 - what it waits for is elsewhere
            await asyncio.sleep(FIRST_RETRY_SECONDS)

    async def _store(self) -> StepResult:
        await self._count()
        # Before the messages, and by the same stage: no message is on its way to the old chat now.
        merges = await self._engine.pending("merge", 1)
        if merges:
            return await self._merge(merges[0])
        messages = await self._engine.pending("message", ITEMS_PER_ROUND)
        if not messages:
            progress = await self._note_what_became()
            if progress is not StepResult.EMPTY:
                return progress
            # A history sync only while no live message waits: thousands hold up nobody.
            messages = await self._engine.pending("history", ITEMS_PER_ROUND)
        if not messages:
            return StepResult.EMPTY
        if self.on_messages is not None:
            self.on_messages(messages)
        left = await self._stored(messages, self._state.store_messages)
        if isinstance(left, StepResult):
            return left
        measures.count("teimoso_messages_received", len(left))
        deleted = _deleted(left)
        try:
            for message_id in deleted.values():
                await self._lanes.redact(self._connection, message_id)
        except RedisAway:
            # Those alone wait for Redis: they are stored again, which changes nothing.
            await self._settle([item.key for item in left if item.key not in deleted])
            return StepResult.AWAY
        return await self._settle([item.key for item in left])

    async def _stored(
        self,
        items: Sequence[T],
        store: Callable[[str, int, Sequence[dict[str, Any]]], Awaitable[bool]],
    ) -> Sequence[T] | StepResult:
        """Store the items; those to settle, without those that were set aside. Or how it ended."""
        refused = set[int]()

        async def store_some(some: Sequence[T]) -> bool:
            return await store(self._connection, self._epoch, [asdict(item) for item in some])

        async def set_aside(item: T) -> None:
            if await self._set_aside(item.key, item):
                refused.add(item.key)

        try:
            if not await store_each(items, store_some, set_aside):
                return self._lose()
        except (StateAway, SessionUnavailable):
            return StepResult.AWAY
        return [item for item in items if item.key not in refused]

    async def _set_aside(self, key: int, item: object = None) -> bool:
        """Take an item that is refused by itself out of the pending ones; False where it is stored as a file instead.

        Raises `StateAway` where a call without any item is refused as well, for it is no fault of the item,
        and where there is no room for it. Raises `SessionUnavailable`.
        """
        try:
            kept = await self._state.store_messages(self._connection, self._epoch, [])
        except StateRefused:
            kept = False
        if not kept:
            raise StateAway("it takes nothing of this connection")
        aside = await self._engine.set_aside(key)
        if not aside and await self._store_as_file(item):
            log.error("stored as a file", action="set_aside", connection=self._connection, item=key)
            return False
        self._full = not aside
        if self._full:
            await self._count()
            log.error("not set aside", action="set_aside", connection=self._connection, item=key)
            raise StateAway("no more items have room aside")
        measures.count("teimoso_documents_set_aside")
        log.error("set aside", action="set_aside", connection=self._connection, item=key)
        return True

    async def _store_as_file(self, item: object) -> bool:
        """Whether the item is a message, and the store takes it as a file."""
        if not isinstance(item, InboxMessage):
            return False
        try:
            return await self._state.store_messages(
                self._connection, self._epoch, [{**asdict(item), "as_file": True}]
            )
        except StateRefused:
            return False

    async def _one(self, key: int, store: Callable[[], Awaitable[str]]) -> StepResult:
        """Store one item in as many calls as it takes; settle it, or set it aside."""
        progress = "more"
        try:
            while progress == "more":
                progress = await store()
        except StateAway:
            return StepResult.AWAY  # what was done stays done
        except StateRefused:
            try:
                await self._set_aside(key)
            except (StateAway, SessionUnavailable):
                return StepResult.AWAY
            return StepResult.SETTLED
        return await self._settle([key]) if progress == "done" else self._lose()

    async def _count(self) -> None:
        held = await self._engine.held_items()
        if self._held is not None and held.refused_documents < self._held.refused_documents:
            self._full = False
        held = replace(held, refused_full=self._full)
        if held != self._held and self.on_held is not None:
            self.on_held(held)
        self._held = held

    async def _note_what_became(self) -> StepResult:
        """Of messages that are stored, and of chats. By the same stage: none moves elsewhere meanwhile."""
        statuses = await self._engine.pending("status", ITEMS_PER_ROUND)
        files = [] if statuses else await self._engine.pending("file", ITEMS_PER_ROUND)
        items = [*statuses, *files]
        if not items:
            return await self._note_app_state()
        note = self._state.note_statuses if statuses else self._state.note_files
        return await self._noted(items, note)

    async def _noted(
        self,
        items: Sequence[T],
        note: Callable[[str, int, Sequence[dict[str, Any]]], Awaitable[bool]],
    ) -> StepResult:
        left = await self._stored(items, note)
        if isinstance(left, StepResult):
            return left
        return await self._settle([item.key for item in left])

    async def _note_app_state(self) -> StepResult:
        """In the order of their keys, up to the end of a full sync."""
        items = await self._engine.pending("app_state", ITEMS_PER_ROUND)
        if not items:
            return StepResult.EMPTY
        if isinstance(items[0], InboxReplaced):
            return await self._clear(items[0])
        changes = list(takewhile(lambda item: isinstance(item, InboxAppState), items))
        return await self._noted(changes, self._state.note_app_state)

    async def _clear(self, replaced: InboxReplaced) -> StepResult:
        after: str | None = None

        async def clear() -> str:
            nonlocal after
            progress, after = await self._state.clear_app_state(
                self._connection, self._epoch, asdict(replaced), after
            )
            return progress

        return await self._one(replaced.key, clear)

    async def _merge(self, merge: InboxMerge) -> StepResult:
        if self.joins is not None and not self.joins.named:
            return StepResult.AWAY  # the queue's view might yet be stored in the old chat
        move = partial(self._state.merge_chat, self._connection, self._epoch, merge.old, merge.new)
        return await self._one(merge.key, move)

    def _lose(self) -> StepResult:
        self._on_lost("lost")
        return StepResult.AWAY

    async def _note(self) -> StepResult:
        receipts = await self._engine.pending("receipt", ITEMS_PER_ROUND)
        if not receipts:
            return StepResult.EMPTY
        try:
            gone = await self._lanes.receipts(
                self._connection,
                [
                    (message_id, receipt.status, receipt.at)
                    for receipt in receipts
                    for message_id in receipt.message_ids
                ],
            )
        except RedisAway:
            return StepResult.AWAY  # what was noted is noted again, which changes nothing
        keys = {receipt.key for receipt in receipts}
        # Messages that left the queue are in the state store alone.
        late = [
            InboxStatus(receipt.key, receipt.chat, None, message_id, receipt.status, receipt.at)
            for receipt in receipts
            for message_id in receipt.message_ids
            if message_id in gone
        ]
        if not late:
            return await self._settle(keys)
        keys.difference_update(item.key for item in late)
        noted = await self._stored(late, self._state.note_statuses)
        if isinstance(noted, StepResult):
            await self._settle(keys)
            return noted
        return await self._settle(keys | {item.key for item in noted})

    async def _settle(self, keys: Collection[int]) -> StepResult:
        try:
            await self._engine.settle(sorted(keys))
        except SessionUnavailable:
            return StepResult.AWAY  # a full disk: a repetition stores nothing more
        return StepResult.SETTLED


def _deleted(messages: Iterable[InboxMessage]) -> dict[int, str]:
    """By key, WhatsApp's id of what this service sent and that message deleted.

    It is the phone's, or an admin's of the group: a delete of another's message by anybody else is ignored.
    """
    fields = {
        each.key: decode(each.content)
        for each in messages
        if each.type == Delete.type and each.content is not None
    }
    return {
        key: each.target.message_id
        for key, each in fields.items()
        if isinstance(each, Delete) and each.target.sender is None
    }


class StepResult(Enum):
    """The result of one step of a stage."""

    EMPTY = "empty"
    SETTLED = "settled"
    AWAY = "away"


class Stage:
    """One kind of item, drained step by step; tried again with growing pauses."""

    def __init__(self, step: Callable[[], Awaitable[StepResult]], *, apart: float = 0.0) -> None:
        """`apart`: seconds between the end of a round and the next."""
        self._step = step
        self._apart = apart
        self._look = asyncio.Event()
        self._waiting_since: float | None = None

    @property
    def age(self) -> float:
        """Seconds for which the oldest item of the stage has waited; 0 for none."""
        since = self._waiting_since
        return 0.0 if since is None else time.monotonic() - since

    def look(self) -> None:
        """Wake the stage for an item that was written."""
        if self._waiting_since is None:
            self._waiting_since = time.monotonic()
        self._look.set()

    async def run(self) -> None:
        """Move items whenever there are any, until cancelled; pauses double while the receiver is away."""
        pause = DoublingPause(FIRST_RETRY_SECONDS, LONGEST_REPORT_PAUSE)
        while True:
            self._look.clear()
            if await self.once():
                pause.reset()
                await asyncio.sleep(self._apart)
                await self._look.wait()
            else:
                await asyncio.sleep(pause.next())

    async def once(self) -> bool:
        """Move what waits now. Returns whether nothing is left."""
        began = time.monotonic()
        while (progress := await self._step()) is StepResult.SETTLED:
            pass
        if progress is StepResult.EMPTY:
            # The last step does not see items that came during it.
            self._waiting_since = time.monotonic() if self._look.is_set() else None
        elif self._waiting_since is None:
            self._waiting_since = began
        return progress is StepResult.EMPTY
