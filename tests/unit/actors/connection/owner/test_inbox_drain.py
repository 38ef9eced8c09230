from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from actors.connection.abilities.app_state_changes import InboxAppState, InboxReplaced
from actors.connection.engine import InboxMerge, InboxMessage, InboxReceipt
from actors.connection.owner.inbox_drain import InboxDrain, Stage, StepResult
from actors.connection.owner.sender import Ticket
from actors.messages.content import Delete, Target, encode
from actors.redis.client import RedisAway
from actors.runtime.actor_base import end_tasks
from tests.integration.tree.scripted import ScriptedEngine, Shelf
from tests.processes.measured import Measured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.connection.address_changes.change_reporter import ChangeReporter
    from actors.queue.outbound_queue import OutboundQueue

CHAT, ME = "15550100002@s.whatsapp.net", "15550100001@s.whatsapp.net"


class Items:
    """Items that wait to be settled; one step settles all of them."""

    def __init__(self) -> None:
        self.waiting = 1
        self.rounds = 0

    async def step(self) -> StepResult:
        if not self.waiting:
            return StepResult.EMPTY
        self.rounds += 1
        self.waiting = 0
        return StepResult.SETTLED


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def come(items: Items, stage: Stage, count: int) -> None:
    for _ in range(count):
        items.waiting += 1
        stage.look()
        await turns()


async def test_the_first_round_is_at_once_and_what_comes_then_shares_the_next() -> None:
    items = Items()
    stage = Stage(items.step, apart=3600.0)
    running = asyncio.ensure_future(stage.run())
    await turns()
    await come(items, stage, 20)
    assert (items.rounds, items.waiting) == (1, 20)
    assert await stage.once()  # who ends does not wait for it
    assert (items.rounds, items.waiting) == (2, 0)
    await end_tasks([running], 1.0)


async def test_what_comes_between_two_rounds_is_not_forgotten() -> None:
    items = Items()
    stage = Stage(items.step, apart=0.01)
    running = asyncio.ensure_future(stage.run())
    await turns()
    await come(items, stage, 20)
    async with asyncio.timeout(10):
        while items.waiting:  # noqa: ASYNC110 - a stage tells nobody
            await asyncio.sleep(0.005)
    await end_tasks([running], 1.0)


class Away:
    """A queue that cannot be reached."""

    async def redact(self, connection: str, message_id: str) -> None:
        del connection, message_id
        raise RedisAway


async def test_without_redis_only_what_needs_it_waits() -> None:
    """G11: what was deleted is stored, and its record is emptied later; the rest is settled."""
    engine, shelf = ScriptedEngine(), Shelf()
    deleted = encode(Delete(Target("3EB0A1B2C3D4E5F6A7B8C9", None)))
    engine.inbox = {
        1: InboxMessage(1, CHAT, CHAT, "A", 1, "text", "hi"),
        2: InboxMessage(2, CHAT, ME, "B", 2, "delete", None, from_me=True, content=deleted),
        3: InboxMessage(3, CHAT, CHAT, "C", 3, "text", "ho"),
    }
    lanes = cast("OutboundQueue", Away())
    drain = InboxDrain(Ticket("shop", 1), engine, lanes, shelf, on_lost=lambda _: None)
    assert drain.age == 0
    measured = Measured()
    assert not await drain.once()
    assert list(engine.inbox) == [2]
    assert measured.rise("teimoso_messages_received") == 3
    assert drain.age > 0


async def test_what_an_admin_deletes_is_gone_from_the_queue_as_well() -> None:
    """Or the next receipt for it would bring its words back into the document."""
    group, redacted = "120363000000000001@g.us", list[str]()

    class Queue:
        async def redact(self, connection: str, message_id: str) -> None:
            redacted.append(f"{connection}.{message_id}")

    engine, shelf = ScriptedEngine(), Shelf()
    targets = Target("3EB0A1B2C3D4E5F6A7B8C9", None), Target("THEIRS", CHAT)
    engine.inbox = {
        key: InboxMessage(
            key, group, CHAT, f"D{key}", key, "delete", None, content=encode(Delete(target))
        )
        for key, target in enumerate(targets)
    }
    lanes = cast("OutboundQueue", Queue())
    drain = InboxDrain(Ticket("shop", 1), engine, lanes, shelf, on_lost=lambda _: None)
    assert await drain._messages.once()
    assert redacted == ["shop.3EB0A1B2C3D4E5F6A7B8C9"]


async def test_a_receipt_of_a_message_that_left_the_queue_waits_for_the_state_store() -> None:
    """And holds up no other receipt."""

    class Queue:
        async def receipts(self, connection: str, receipts: Sequence[Any]) -> frozenset[str]:
            del connection
            return frozenset({"LATE"} & {message_id for message_id, *_ in receipts})

    engine, shelf = ScriptedEngine(), Shelf()
    shelf.messages = {"shop.LATE": {"status": "sent"}}
    engine.inbox = {
        1: InboxReceipt(1, CHAT, ("KNOWN", "LATE"), "read", 5),
        2: InboxReceipt(2, CHAT, ("KNOWN",), "read", 5),
    }
    lanes = cast("OutboundQueue", Queue())
    drain = InboxDrain(Ticket("shop", 1), engine, lanes, shelf, on_lost=lambda _: None)
    shelf.away = True
    assert not await drain.once()
    assert list(engine.inbox) == [1]
    shelf.away = False
    assert await drain.once()
    assert engine.inbox == {}
    assert shelf.messages == {"shop.LATE": {"status": "read"}}


async def test_an_inbox_is_as_old_as_what_waits_longest_in_it() -> None:
    progress = [StepResult.AWAY, StepResult.AWAY, StepResult.SETTLED, StepResult.EMPTY]

    async def step() -> StepResult:
        return progress.pop(0)

    stage = Stage(step)
    assert stage.age == 0
    stage.look()
    await asyncio.sleep(0.02)
    assert not await stage.once()
    first = stage.age
    assert first >= 0.01
    stage.look()
    assert not await stage.once()
    assert stage.age >= first
    stage._look.clear()
    assert await stage.once()
    assert stage.age == 0


async def test_what_is_of_now_does_not_wait_for_the_time_before() -> None:
    """Of a thousand messages of a history a batch at most is on its way when one arrives."""
    engine, shelf = ScriptedEngine(), Shelf()
    engine.inbox = {
        number: InboxMessage(number, CHAT, CHAT, f"OLD{number}", 1, "text", "x", source="history")
        for number in range(1000)
    }
    engine.inbox[2000] = InboxMessage(2000, CHAT, CHAT, "NEW", 2, "text", "y")
    drain = InboxDrain(
        Ticket("shop", 1), engine, cast("OutboundQueue", Away()), shelf, on_lost=lambda _: None
    )
    assert await drain._messages._step() is StepResult.SETTLED
    assert 2000 not in engine.inbox
    assert len(engine.inbox) == 1000
    assert await drain._messages.once()
    assert engine.inbox == {}


class NameReports:
    """Stands for `ChangeReporter`: whether Redis has all names, as a test has it."""

    named = False


async def test_a_merge_waits_until_redis_has_the_name() -> None:
    """Or the queue's view of a message might be stored in the former chat after it."""
    engine, shelf, told = ScriptedEngine(), Shelf(), NameReports()
    drain = InboxDrain(
        Ticket("shop", 1), engine, cast("OutboundQueue", None), shelf, on_lost=lambda _: None
    )
    drain.joins = cast("ChangeReporter", told)
    engine.inbox = {1: InboxMerge(1, "1@lid", CHAT)}
    assert not await drain.once()
    assert list(engine.inbox) == [1]
    told.named = True
    assert await drain.once()
    assert engine.inbox == {}


async def test_app_state_is_noted_in_order_up_to_the_end_of_a_full_sync() -> None:
    """Behind live messages, before a history; a full sync is cleared up share by share."""
    engine, shelf = ScriptedEngine(), Shelf()
    drain = InboxDrain(
        Ticket("shop", 1), engine, cast("OutboundQueue", Away()), shelf, on_lost=lambda _: None
    )
    changes = [
        InboxAppState(key, 1, "regular_low", "chat", CHAT, "archived", True, 5.0, False, CHAT)
        for key in (1, 2, 4, 5)
    ]
    engine.inbox = {each.key: each for each in changes}
    engine.inbox[3] = InboxReplaced(3, 1, "regular_low", 0, 5.0)
    engine.inbox[8] = InboxMessage(8, CHAT, CHAT, "OLD", 1, "text", "x", source="history")
    engine.inbox[9] = InboxMessage(9, CHAT, CHAT, "NEW", 2, "text", "y")
    shelf.away = True
    assert not await drain.once()
    assert len(engine.inbox) == 7
    assert drain.age > 0
    shelf.away = False
    left = []
    while await drain._messages._step() is StepResult.SETTLED:
        left.append(sorted(engine.inbox))
    assert left == [[1, 2, 3, 4, 5, 8], [3, 4, 5, 8], [4, 5, 8], [8], []]
    assert [each["key"] for each in shelf.app_state] == [1, 2, 3, 3, 4, 5]
    assert [each["after"] for each in shelf.app_state if each["key"] == 3] == [None, "1"]


async def test_an_older_owner_leaves_app_state_to_its_successor() -> None:
    """G6."""
    for item in (
        InboxAppState(1, 1, "regular_low", "chat", CHAT, "archived", True, 5.0, True, CHAT),
        InboxReplaced(1, 1, "regular_low", 0, 5.0),
    ):
        engine, shelf, lost = ScriptedEngine(), Shelf(), list[str]()
        engine.inbox, shelf.epoch = {1: item}, 2
        drain = InboxDrain(
            Ticket("shop", 1), engine, cast("OutboundQueue", None), shelf, on_lost=lost.append
        )
        assert not await drain._messages.once()
        assert (list(engine.inbox), lost, shelf.app_state) == ([1], ["lost"], [])
