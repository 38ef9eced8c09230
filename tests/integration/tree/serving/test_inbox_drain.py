"""The drain of a served connection's inbox: messages and receipts to the state store and to Redis (G3, G5, G6, G11)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from actors.connection.engine import InboxMerge, InboxMessage, InboxReceipt
from actors.connection.owner.inbox_drain import ITEMS_PER_ROUND
from actors.connection.session.file import SessionUnavailable
from tests.integration.tree.conftest import PACE
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.integration.tree.conftest import Served
    from tests.processes.valkey import Valkey


def incoming(key: int, text: str = "hello") -> InboxMessage:
    chat = "15550100002@s.whatsapp.net"
    return InboxMessage(key, chat, chat, f"3EB0{key:018X}", 1_700_000_000, "text", text)


async def test_an_item_is_settled_when_it_is_stored_elsewhere(served: Served) -> None:
    """G5, G11: while the state manager is away all stays in the session."""
    served.shelf.away = True
    served.engine.inbox = {key: incoming(key) for key in range(3)}
    await served.begin()
    asked = served.shelf.asked
    served.engine.inbox[3] = incoming(3)
    await served.engine.events.on_inbox()
    await eventually("it is asked again", lambda: served.shelf.asked > asked, 10)
    assert len(served.engine.inbox) == 4
    served.shelf.away = False

    async def empty() -> bool:
        return not served.engine.inbox

    await eventually("the inbox is empty", empty, 3)
    assert len(served.shelf.messages) == 4


async def test_an_owner_whom_the_state_manager_refuses_has_lost(served: Served) -> None:
    """G6: a newer epoch wrote; what is in the session is left to it."""
    served.shelf.epoch = 99
    served.engine.inbox = {1: incoming(1)}
    await served.begin()
    async with asyncio.timeout(5):
        assert (await served.serving.ended()).reason == "lost"
    assert list(served.engine.inbox) == [1]
    assert served.shelf.messages == {}


async def test_an_owner_that_logs_out_stores_what_waited_for_redis(
    served_apart: Served, own_server: Valkey
) -> None:
    """G5, G11: a merge waits for the names of chats, and with it the messages behind it."""
    engine, shelf = served_apart.engine, served_apart.shelf
    serving = await served_apart.begin(pace=replace(PACE, last_drain=20.0))
    await served_apart.state("open")
    own_server.kill()
    chat = incoming(2).chat
    engine.learn("90000000000002@lid", chat)
    engine.inbox = {1: InboxMerge(1, "90000000000002@lid", chat), 2: incoming(2)}
    await engine.events.on_inbox()
    logout = asyncio.ensure_future(serving.logout())
    await eventually("it is unlinked", lambda: engine.logged_out, 10)
    assert list(engine.inbox) == [1, 2]
    own_server.start()
    assert (await logout).reason == "logged_out"
    assert engine.inbox == {}
    assert len(shelf.messages) == 1


async def test_receipts_do_not_wait_for_the_state_manager(served: Served) -> None:
    await served.begin()
    record = await served.becomes(await served.accept(), "sent")
    served.shelf.away = True
    served.engine.inbox = {
        1: incoming(1),
        2: InboxReceipt(2, record.chat, (record.message_id,), "read", int(time.time())),
    }
    await served.engine.events.on_inbox()
    await served.becomes(record, "read")

    async def settled() -> bool:
        return list(served.engine.inbox) == [1]

    await eventually("the receipt is settled, the message is not", settled, 10)


async def test_receipts_go_on_through_a_long_outage_of_the_state_manager(served: Served) -> None:
    """G3: more messages wait than one step takes, and each receipt is noted all the same."""
    await served.begin()
    records = [await served.accept(f"{number}") for number in range(4)]
    for record in records:
        await served.becomes(record, "sent")
    served.shelf.away = True
    served.engine.inbox = {key: incoming(key) for key in range(ITEMS_PER_ROUND + 50)}
    for number, record in enumerate(records):
        asked = served.shelf.asked
        key = 1000 + number
        served.engine.inbox[key] = InboxReceipt(
            key, record.chat, (record.message_id,), "delivered", int(time.time())
        )
        await served.engine.events.on_inbox()
        await served.becomes(record, "delivered")

        async def again(asked: int = asked) -> bool:
            return served.shelf.asked > asked + 1

        await eventually("the state manager is asked again, in vain", again, 10)
    assert len(served.engine.inbox) == ITEMS_PER_ROUND + 50
    served.shelf.away = False

    async def stored() -> bool:
        return len(served.shelf.messages) == ITEMS_PER_ROUND + 50 and not served.engine.inbox

    await eventually("all is stored", stored, 10)


async def test_a_session_that_cannot_be_written_is_tried_again(served: Served) -> None:
    """G5: a full disk settles nothing and ends nothing; what is stored twice is there once."""
    settle, refusals = served.engine.settle, 0

    async def full(keys: Sequence[int]) -> None:
        nonlocal refusals
        refusals += 1
        if refusals < 4:
            raise SessionUnavailable("SQLITE_FULL")
        await settle(keys)

    served.engine.settle = full  # type: ignore[method-assign]
    record = await served.accept()
    served.engine.inbox = {
        1: incoming(1),
        2: InboxReceipt(2, record.chat, (record.message_id,), "read", int(time.time())),
    }
    serving = await served.begin()

    async def settled() -> bool:
        return not served.engine.inbox

    await eventually("the inbox is empty", settled, 10)
    assert refusals > 4
    assert len(served.shelf.messages) == 1
    await served.becomes(record, "read")
    assert serving.now.state == "open"
