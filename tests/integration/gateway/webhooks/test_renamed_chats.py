"""A chat that gets another address stays one chat for an endpoint: its events keep their order."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.state.connections import Connections, renaming
from actors.state.documents import DELIVERIES
from actors.state.events.log import EventLog
from gateway.webhooks import chat_lanes, delivery_policy
from tests.integration.gateway.served import SHOP
from tests.integration.gateway.webhooks.stored_messages import ANA, SOON, arriving
from tests.waits import eventually

if TYPE_CHECKING:
    from tests.integration.gateway.receiver import Receiver
    from tests.integration.gateway.webhooks.deliveries.single_worker import SingleWorker

LID = "90000000000002@lid"


async def renamed(delivering: SingleWorker, before: int, after: int) -> list[str]:
    """Store so many messages of Ana under her LID, that it is her number's, and more under that; their texts."""
    documents = delivering.documents
    await Connections(documents).create("shop", id=SHOP)
    numbers = range(1, before + after + 1)
    for number in numbers[:before]:
        await documents.batch([arriving(number, chat=LID)])
    await documents.batch([renaming(SHOP, LID, ANA, time.time())])
    for number in numbers[before:]:
        await documents.batch([arriving(number)])
    return [f"text {number}" for number in numbers]


@pytest.mark.parametrize("events", [None, ("message.received",)], ids=["all", "some"])
async def test_a_slow_endpoint_gets_what_was_said_before_a_rename_first(
    delivering: SingleWorker, receiver: Receiver, events: tuple[str, ...] | None
) -> None:
    """Also one that does not get the rename itself."""
    receiver.seconds = 0.2
    await delivering.add(receiver, events=events)
    texts = await renamed(delivering, 4, 4)
    async with delivering.worker():
        await eventually("all is delivered", lambda: set(texts) <= set(receiver.texts), SOON)
    assert receiver.texts == texts
    kinds = [each["type"] for each in receiver.taken]
    assert (
        kinds
        == ["message.received"] * 4 + ["chat.renamed"] * (events is None) + ["message.received"] * 4
    )
    assert receiver.most == 1


@pytest.mark.parametrize("events", [None, ("message.received",)], ids=["all", "some"])
@pytest.mark.parametrize("room", [500, 3])
async def test_a_refused_event_holds_its_chat_under_its_new_address_as_well(
    delivering: SingleWorker,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    room: int,
    events: tuple[str, ...] | None,
) -> None:
    """Through a crash, and where memory has no room for what waits; nothing is left behind."""
    monkeypatch.setattr(chat_lanes, "WAITING_EVENTS", room)
    monkeypatch.setattr(delivery_policy, "MAX_PAUSE", 1.0)
    await delivering.add(receiver, events=events)
    refusing = True

    def answer(event: dict[str, Any]) -> int | None:
        return 500 if refusing and event["data"].get("text") == "text 2" else None

    receiver.answer = answer
    texts = await renamed(delivering, 4, 6)
    for saves in (True, False):
        receiver.refused.clear()
        async with delivering.worker(saves=saves):
            await eventually("it is refused", lambda: len(receiver.refused) > 1, SOON)
            if room == 3:
                await eventually("the rest is stored", lambda: _stored(delivering, 6), SOON)
            await asyncio.sleep(0.3)
        assert set(receiver.texts) == {"text 1"}
    refusing = False
    async with delivering.worker():
        await eventually("all is delivered", lambda: set(texts) <= set(receiver.texts), SOON)
        await eventually("no more waits", delivering.quiet, SOON)
    assert list(dict.fromkeys(receiver.texts)) == texts
    renames = [each["seq"] for each in receiver.taken if each["type"] == "chat.renamed"]
    assert set(renames) == ({5} if events is None else set())
    if renames:
        assert list(dict.fromkeys(receiver.seqs)) == sorted(set(receiver.seqs))
    await eventually("all has ended", lambda: _ended(delivering), SOON)


async def _ended(delivering: SingleWorker) -> bool:
    return {*await delivering.statuses()} <= {"delivered"}


async def _stored(delivering: SingleWorker, count: int) -> bool:
    """Whether so many messages have documents of their own as deliveries."""
    page = await delivering.documents.query(DELIVERIES)
    return sum("message.received" in each["event"] for each in page.items) >= count


async def test_chats_of_others_go_on_meanwhile(
    delivering: SingleWorker, receiver: Receiver
) -> None:
    await delivering.add(receiver)
    receiver.answer = lambda event: 500 if event["data"].get("chat") == LID else None
    await renamed(delivering, 1, 1)
    other = "15550100009@s.whatsapp.net"
    await delivering.documents.batch([arriving(9, chat=other)])
    async with delivering.worker():
        await eventually("the other is delivered", lambda: receiver.texts == ["text 9"], SOON)
        await asyncio.sleep(0.5)
        head = await EventLog(delivering.documents).head()
        assert (receiver.texts, head.seq) == (["text 9"], 4)
