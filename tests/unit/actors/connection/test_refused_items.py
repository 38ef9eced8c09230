"""Items that the state store refuses for good: set aside, one by one, while the rest goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest

from actors.connection.abilities.app_state_changes import InboxAppState, InboxReplaced
from actors.connection.engine import InboxFile, InboxMerge, InboxMessage, InboxReceipt, InboxStatus
from actors.connection.owner.inbox_drain import InboxDrain
from actors.connection.owner.sender import Ticket
from actors.connection.session.file import SessionUnavailable
from actors.connection.state_manager.port import StateRefused
from actors.redis.leases.lease_record import HeldItems
from tests.integration.tree.scripted import ScriptedEngine, Shelf
from tests.processes.measured import Measured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.queue.outbound_queue import OutboundQueue

CHAT, ME = "15550100002@s.whatsapp.net", "15550100001@s.whatsapp.net"


class Choosy(Shelf):
    """A state manager that refuses each call which has an item of one of these keys, or old addresses."""

    def __init__(self, *keys: int) -> None:
        super().__init__()
        self.keys = set(keys)

    def _look(self, items: Sequence[dict[str, Any]]) -> None:
        if self.keys & {item["key"] for item in items}:
            raise StateRefused

    async def store_messages(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        self._look(items)
        return await super().store_messages(connection, epoch, items)

    async def note_statuses(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        self._look(items)
        return await super().note_statuses(connection, epoch, items)

    async def note_files(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        self._look(items)
        return await super().note_files(connection, epoch, items)

    async def note_app_state(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        self._look(items)
        return await super().note_app_state(connection, epoch, items)

    async def clear_app_state(
        self, connection: str, epoch: int, replaced: dict[str, Any], after: str | None
    ) -> Any:
        if after is not None:
            self._look([replaced])
        return await super().clear_app_state(connection, epoch, replaced, after)

    async def merge_chat(self, connection: str, epoch: int, old: str, new: str) -> Any:
        if self.keys:
            raise StateRefused
        return await super().merge_chat(connection, epoch, old, new)


def message(key: int, source: Any = "live") -> InboxMessage:
    return InboxMessage(key, CHAT, CHAT, f"M{key}", key, "text", "hi", source=source)


def drain_of(engine: ScriptedEngine, shelf: Shelf) -> InboxDrain:
    lanes = cast("OutboundQueue", None)
    return InboxDrain(Ticket("shop", 1), engine, lanes, shelf, on_lost=lambda _: None)


async def test_what_the_store_refuses_is_set_aside_and_the_rest_goes_on() -> None:
    engine, shelf = ScriptedEngine(), Choosy(3, 30, 31)
    engine.inbox = {key: message(key, "history" if key > 20 else "live") for key in range(1, 41)}
    drain = drain_of(engine, shelf)
    counts = list[HeldItems]()
    drain.on_held = counts.append
    engine.deferred = 2, 1
    measured = Measured()
    assert await drain.once()
    assert not engine.inbox
    assert list(engine.aside) == [3, 30, 31]
    assert list(shelf.messages) == [f"shop.M{key}" for key in range(1, 41) if key not in shelf.keys]
    assert counts == [HeldItems(0, 2, 1), HeldItems(1, 2, 1), HeldItems(3, 2, 1)]
    assert measured.rise("teimoso_documents_set_aside") == 3
    assert measured.rise("teimoso_messages_received") == 37
    assert drain.age == 0, "nothing waits"
    shelf.keys = {30}
    for key in (3, 30):
        await engine.retry_refused(key)
    assert await drain.once()
    assert list(engine.aside) == [31, 30]
    assert "shop.M3" in shelf.messages
    assert counts[-1] == HeldItems(2, 2, 1)


@pytest.mark.parametrize(
    "item",
    [
        InboxStatus(7, CHAT, ME, "M1", "read", 5),
        InboxFile(7, CHAT, CHAT, "M1", "stored"),
        InboxAppState(
            7, 1, "regular", "chat", CHAT, "archived", True, 5.0, news=True, noted_as=CHAT
        ),
        InboxReplaced(7, 1, "regular", 6, 5.0),
        InboxMerge(7, "200000000000001@lid", CHAT),
    ],
    ids=lambda item: type(item).__name__,
)
async def test_so_is_whatever_else_an_inbox_has(item: Any) -> None:
    engine, shelf = ScriptedEngine(), Choosy(7)
    engine.inbox = {7: item, 8: message(8)}
    assert await drain_of(engine, shelf).once()
    assert not engine.inbox
    assert list(engine.aside) == [7]
    assert list(shelf.messages) == ["shop.M8"]


async def test_one_that_has_no_room_stays_and_pauses_what_is_behind_it_but_receipts() -> None:
    engine, shelf = ScriptedEngine(), Choosy(2, 4, 5)
    engine.inbox = {key: message(key) for key in range(1, 8)}
    engine.room_aside = 2
    told = list[tuple[int, bool]]()
    lanes = cast("OutboundQueue", ReceiptSink())
    drain = InboxDrain(Ticket("shop", 1), engine, lanes, shelf, on_lost=lambda _: None)
    drain.on_held = lambda now: told.append((now.refused_documents, now.refused_full))
    engine.inbox[8] = InboxReceipt(8, CHAT, ("M0",), "read", 5)
    for _ in range(2):
        assert not await drain.once()
        assert list(engine.aside) == [2, 4]
        assert set(engine.inbox) >= {5, 6, 7}, "nothing is forgotten"
        assert 8 not in engine.inbox, "receipts go on"
        assert told == [(0, False), (2, True)]
    assert drain.age > 0
    del engine.aside[2]  # a person decided
    assert await drain.once()
    assert list(engine.aside) == [4, 5]
    assert not engine.inbox
    assert list(shelf.messages) == [f"shop.M{key}" for key in (1, 3, 6, 7)]
    assert told == [(0, False), (2, True), (1, False), (2, False)]


async def test_a_message_that_has_no_room_aside_is_stored_as_a_file() -> None:
    """Nothing behind it waits, and no alert says that it does."""

    class TakesFiles(Choosy):
        filed: ClassVar[list[int]] = []

        async def store_messages(
            self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
        ) -> bool:
            if items and items[0].get("as_file"):
                self.filed.append(items[0]["key"])
                return True
            return await super().store_messages(connection, epoch, items)

    engine, shelf = ScriptedEngine(), TakesFiles(2, 4, 5)
    engine.inbox = {key: message(key) for key in range(1, 8)}
    engine.room_aside = 1
    told = list[tuple[int, bool]]()
    drain = drain_of(engine, shelf)
    drain.on_held = lambda now: told.append((now.refused_documents, now.refused_full))
    assert await drain.once()
    assert (list(engine.aside), shelf.filed, engine.inbox) == ([2], [4, 5], {})
    assert list(shelf.messages) == [f"shop.M{key}" for key in (1, 3, 6, 7)]
    assert told[-1] == (1, False)


class ReceiptSink:
    async def receipts(self, *_: Any) -> frozenset[str]:
        return frozenset()


async def test_a_session_that_cannot_be_written_keeps_it_pending() -> None:
    engine, shelf = ScriptedEngine(), Choosy(3)

    async def full(key: int) -> bool:
        del key
        raise SessionUnavailable("SQLITE_FULL")

    engine.inbox = {key: message(key) for key in range(1, 6)}
    engine.set_aside = full  # type: ignore[method-assign]
    assert not await drain_of(engine, shelf).once()
    assert list(engine.inbox) == [1, 2, 3, 4, 5]
    del engine.set_aside
    assert await drain_of(engine, shelf).once()
    assert list(engine.aside) == [3]
    assert len(shelf.messages) == 4


async def test_where_everything_is_refused_it_is_no_fault_of_an_item() -> None:
    """Its connection's own document, say, is what the store does not take."""

    class Closed(Choosy):
        shut = True

        async def store_messages(
            self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
        ) -> bool:
            if self.shut:
                raise StateRefused
            return await super().store_messages(connection, epoch, items)

    engine, shelf = ScriptedEngine(), Closed(2)
    engine.inbox = {key: message(key) for key in range(1, 4)}
    drain = drain_of(engine, shelf)
    assert not await drain.once()
    assert (list(engine.inbox), engine.aside) == ([1, 2, 3], {})
    shelf.shut = False
    assert await drain.once()
    assert (list(engine.inbox), list(engine.aside)) == ([], [2])
    shelf.shut = True
    engine.inbox = {4: InboxMerge(4, "200000000000001@lid", CHAT)}
    assert not await drain.once()
    assert list(engine.inbox) == [4]


async def test_words_that_nobody_can_read_are_set_aside_as_well() -> None:
    engine, shelf = ScriptedEngine(), Choosy(2)
    unreadable = InboxMessage(2, CHAT, ME, "B", 2, "delete", None, from_me=True, content="{")
    engine.inbox = {1: message(1), 2: unreadable, 3: message(3)}
    assert await drain_of(engine, shelf).once()
    assert list(engine.aside) == [2]
    assert list(shelf.messages) == ["shop.M1", "shop.M3"]
