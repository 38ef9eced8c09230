"""One worker while the store, or a person, comes between two of its steps."""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from actors.redis import keys
from actors.redis.leases.leader_election import Leadership
from actors.runtime.actor_base import end_tasks
from actors.state.documents import HEALTH_STATUS
from actors.state.own_mistakes import MISTAKE_DOCUMENT
from gateway.acceptance.address_policy import Guarded
from gateway.webhooks import chat_lanes, delivery_policy, delivery_worker
from gateway.webhooks.delivery_journal import SAVE
from gateway.webhooks.delivery_policy import DELIVERY_PERIOD
from gateway.webhooks.dispatcher import WebhookDispatcher
from gateway.webhooks.event_tail import EventTail
from gateway.webhooks.requests.http_post import PER_ENDPOINT, Posters
from tests.integration.gateway.webhooks.deliveries.single_worker import ID
from tests.integration.gateway.webhooks.stored_messages import age, store_messages
from tests.waits import eventually

if TYPE_CHECKING:
    from tests.integration.gateway.receiver import Receiver
    from tests.integration.gateway.webhooks.deliveries.single_worker import SingleWorker

SOON = 30.0
COUNT = 120


async def test_a_dead_delivery_is_kept_or_is_not_passed(
    delivering: SingleWorker, receiver: Receiver
) -> None:
    """The store is away as it is to be kept, and until the worker is gone."""

    def answer(_: dict[str, Any]) -> int:
        delivering.documents.away = True
        return 500

    receiver.answer = answer
    await delivering.add(receiver)
    (text,) = await store_messages(delivering.documents, 1)
    await age(delivering.documents, text, 2 * DELIVERY_PERIOD)
    async with delivering.worker(saves=False):
        await eventually("it cannot be kept", lambda: delivering.documents.refused, SOON)
    delivering.documents.away = False
    assert (await delivering.dead(), (await delivering.webhook()).progress.cursor) == (0, 0)
    receiver.answer = lambda _: 500
    async with delivering.worker():
        await eventually("it is kept", delivering.dead, SOON)
        await eventually("it is passed", delivering.passed, SOON)


async def test_a_chat_too_many_is_dead_at_once_and_holds_up_nothing(
    delivering: SingleWorker, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_worker, "MAX_HELD_CHATS", 2)
    monkeypatch.setattr(delivery_policy, "DOWN", 100)
    receiver.answer = lambda event: 500 if event["seq"] <= 5 else None
    await delivering.add(receiver)
    wanted = await store_messages(delivering.documents, 1, 10, chats=10)
    async with delivering.worker():
        await eventually(
            "the rest is delivered", lambda: set(wanted[5:]) <= set(receiver.texts), SOON
        )
        await eventually("three are dead", lambda: _three(delivering), SOON)
    assert sorted(await delivering.statuses()) == ["dead"] * 3 + ["waiting"] * 2


def _refusing(text: str, event: dict[str, Any]) -> int | None:
    return 500 if event["data"]["text"] == text else None


async def _three(delivering: SingleWorker) -> bool:
    return await delivering.dead() == 3


@pytest.mark.parametrize("spilled", [False, True])
async def test_an_endpoint_that_is_down_is_asked_seldom_and_the_log_keeps_the_rest(
    delivering: SingleWorker, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, spilled: bool
) -> None:
    """Of many chats few are tried; with a single chat what memory has no room for is stored."""
    monkeypatch.setattr(chat_lanes, "WAITING_EVENTS", 50)
    receiver.answer = lambda _: 500
    await delivering.add(receiver)
    wanted = await store_messages(delivering.documents, 1, COUNT, chats=1 if spilled else 60)
    async with delivering.worker() as worker:
        await eventually("it is down", lambda: len(receiver.refused) >= 3, SOON)
        await asyncio.sleep(2.0)
        asked = {each["id"] for each in receiver.refused}
        assert len(asked) <= 1 if spilled else len(asked) <= PER_ENDPOINT + 6
        stored = await delivering.statuses()
        assert len(stored) <= (COUNT if spilled else PER_ENDPOINT + 6)
        assert ("behind" in stored) is spilled
        receiver.answer = lambda _: None
        worker.update(await delivering.webhooks.change(ID, on=True))
        await eventually("all is delivered", lambda: len(set(receiver.texts)) == COUNT, SOON)
    chats = 1 if spilled else 60
    for chat in range(chats):
        own = [text for text in receiver.texts if int(text.split()[1]) % chats == chat]
        assert own == [text for text in wanted if int(text.split()[1]) % chats == chat]


async def test_what_is_stored_behind_a_refused_event_is_found_after_a_crash(
    delivering: SingleWorker, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker dies when the refused one is taken, and the one behind it is on its way."""
    monkeypatch.setattr(chat_lanes, "WAITING_EVENTS", 5)
    released, second = threading.Event(), threading.Event()

    def answer(event: dict[str, Any]) -> None:
        if event["seq"] == 2:
            second.set()
            released.wait(SOON)

    receiver.answer = lambda _: 500
    await delivering.add(receiver)
    wanted = await store_messages(delivering.documents, 1, 12)
    async with delivering.worker(saves=False) as worker:
        await eventually("it is stored", lambda: _behind(delivering), SOON)
        receiver.answer = answer
        worker.update(await delivering.webhooks.change(ID, on=True))
        await eventually("the next is on its way", second.is_set, SOON)
        await asyncio.sleep(2 * SAVE)
    released.set()
    async with delivering.worker():
        await eventually("all is delivered", lambda: set(receiver.texts) == set(wanted), SOON)
    assert receiver.in_order


async def _behind(delivering: SingleWorker) -> bool:
    return "behind" in await delivering.statuses()


async def test_the_cost_of_a_delivery_does_not_grow_with_what_waits(
    delivering: SingleWorker, receiver: Receiver
) -> None:
    """Looks at the store for each delivery, with little and with much behind; one chat is refused."""
    await delivering.add(receiver)
    looks: list[float] = []
    begin = 1
    for waits in (40, 400):
        receiver.answer = partial(_refusing, f"text {begin}")
        wanted = set(await store_messages(delivering.documents, begin, waits, chats=10, size=40))
        before = len(receiver.taken)
        enough = before + waits - waits // 10
        delivering.documents.looks = 0
        async with delivering.worker():
            await eventually(
                "others are delivered",
                partial(lambda many: len(receiver.taken) >= many, enough),
                SOON,
            )
        looks.append(delivering.documents.looks / (len(receiver.taken) - before))
        receiver.answer = lambda _: None
        async with delivering.worker() as worker:
            worker.update(await delivering.webhooks.change(ID, on=True))
            await eventually(
                "all is delivered", partial(lambda all_: all_ <= set(receiver.texts), wanted), SOON
            )
        begin += waits
    assert looks[1] <= max(looks[0], 0.2), looks


@pytest.mark.parametrize("how", ["another address", "on"])
async def test_one_that_fails_is_tried_at_once_where_a_person_changes_it(
    delivering: SingleWorker, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Also after a restart: when it is tried again is stored."""
    monkeypatch.setattr(delivery_policy, "FIRST_RETRY_PAUSE", 300.0)
    await delivering.add(receiver)
    receiver.answer = lambda _: 500
    (wanted,) = await store_messages(delivering.documents, 1)
    async with delivering.worker():
        await eventually("it is refused", lambda: receiver.refused, SOON)
    receiver.answer = lambda _: None
    async with delivering.worker() as worker:
        await asyncio.sleep(0.3)
        assert receiver.taken == []
        changed = await (
            delivering.webhooks.change(ID, url=None, on=True)
            if how == "on"
            else delivering.webhooks.change(ID, url=f"{receiver.url}/new", on=None)
        )
        worker.update(changed)
        await eventually("it is delivered", lambda: receiver.taken, SOON)
    assert [each["data"]["text"] for each in receiver.taken] == [wanted]


async def test_one_that_is_stopped_notes_how_far_it_is_and_lets_go_of_the_turn(
    delivering: SingleWorker, receiver: Receiver
) -> None:
    """Also where that takes longer than the caller waits before it ends the worker again."""
    await delivering.add(receiver)
    documents = delivering.documents
    tail = EventTail(documents)
    posters = Posters(Guarded(private=True))
    turn = Leadership(delivering.redis, keys.WEBHOOKS_CHANNEL)
    deliverer = WebhookDispatcher(
        documents,
        delivering.webhooks,
        tail,
        posters,
        turn,
        bodies=delivering.bodies,
        deletion_time=time.time,
    )
    tasks = [asyncio.create_task(each) for each in (tail.run(), deliverer.run())]
    try:
        await store_messages(documents, 1, 3)
        await eventually("all is delivered", lambda: len(receiver.taken) == 3, SOON)
        documents.slow = 0.3
        await store_messages(documents, 4, 3)
        await eventually("the rest is delivered", lambda: len(receiver.taken) == 6, SOON)
        before = documents.taken
    finally:
        await end_tasks(tasks, 5)
        await deliverer.close()
    assert documents.taken > before, "it was noted as it ended"
    # The answer to the last one may have been on its way.
    assert (await delivering.webhook()).progress.cursor >= receiver.seqs[-2]
    assert await delivering.redis.get(keys.WEBHOOKS_CHANNEL) is None


async def test_a_worker_whose_progress_the_store_refuses_is_an_alert_and_starts_again(
    delivering: SingleWorker, receiver: Receiver
) -> None:
    await delivering.add(receiver)
    documents = delivering.documents
    tail = EventTail(documents)
    turn = Leadership(delivering.redis, keys.WEBHOOKS_CHANNEL)
    deliverer = WebhookDispatcher(
        documents,
        delivering.webhooks,
        tail,
        Posters(Guarded(private=True)),
        turn,
        bodies=delivering.bodies,
        deletion_time=time.time,
    )
    tasks = [asyncio.create_task(each) for each in (tail.run(), deliverer.run())]
    try:
        await store_messages(documents, 1)
        await eventually("the first is noted", delivering.passed, SOON)
        documents.strict = True
        await store_messages(documents, 2)

        async def noted() -> bool:
            found = await documents.get(HEALTH_STATUS, MISTAKE_DOCUMENT)
            return found is not None and found["action"] == "webhooks"

        await eventually("the mistake is noted", noted, SOON)
        documents.strict = False
        await store_messages(documents, 3)
        await eventually("it goes on", lambda: "text 3" in receiver.texts, SOON)
    finally:
        await end_tasks(tasks, 5)
        await deliverer.close()
