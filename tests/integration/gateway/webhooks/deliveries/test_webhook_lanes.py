"""Chats are delivered at the same time, each in its order, and hold up one another in nothing."""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING

from gateway.webhooks.requests.http_post import PER_ENDPOINT
from tests.integration.gateway.receiver import Receiver, add
from tests.integration.gateway.served import OTHER, SHOP
from tests.integration.gateway.webhooks.stored_messages import SOON, arrived, store_messages
from tests.waits import eventually

if TYPE_CHECKING:
    from actors.state.documents import Documents
    from tests.integration.gateway.served import Api

FREE = count(1000, 1000)


async def test_an_event_that_is_always_refused_holds_up_its_own_chat_only(
    documents: Documents, receiver: Receiver, hook: str
) -> None:
    number = next(FREE)
    bad = f"text {number}"
    receiver.answer = lambda event: 500 if event["data"]["text"] == bad else None
    wanted = await store_messages(documents, number, 30, chats=5)
    own, others = wanted[::5], [text for text in wanted if text not in wanted[::5]]
    await arrived(receiver, others)
    assert not set(receiver.texts) & set(own), "what is behind it in its chat waits"
    assert receiver.in_order
    receiver.answer = lambda _: None
    await arrived(receiver, wanted)
    assert [text for text in receiver.texts if text in own] == own


async def test_a_slow_endpoint_gets_many_chats_at_once_and_each_in_order(
    documents: Documents, receiver: Receiver, hook: str
) -> None:
    """One that takes 150 ms: seven events a second if each waits for the one before."""
    receiver.seconds = 0.15
    wanted = await store_messages(documents, next(FREE), 200, chats=50)
    await arrived(receiver, wanted[:100])
    await arrived(receiver, wanted)
    assert sorted(receiver.texts) == sorted(wanted), "each once"
    assert receiver.in_order
    assert receiver.most_of_chat == 1
    assert 15 < receiver.most <= PER_ENDPOINT, "else they are not 100 a second"


async def test_an_endpoint_that_hangs_takes_nothing_of_another_tenants(
    documents: Documents, receiver: Receiver, api: Api
) -> None:
    """It gets events of a hundred chats, and answers none."""
    released = threading.Event()
    with Receiver() as hanging:
        slow = add(api, hanging, connections=["other"])
        fast = add(api, receiver, connections=["shop"])
        try:
            hanging.answer = lambda _: released.wait(2 * SOON) and None
            number = next(FREE)
            await store_messages(documents, number, 100, OTHER, chats=100)
            await eventually("it hangs", lambda: hanging.most >= PER_ENDPOINT, SOON)
            wanted = await store_messages(documents, number + 100, 20, SHOP, chats=20)
            await arrived(receiver, wanted)
            assert hanging.taken == [], "it hung all the time"
            shown = api.get(f"/api/webhooks/{slow['id']}").json()
            assert shown["failing_since"] is None, "and before one of its requests was given up"
        finally:
            released.set()
            for each in (slow, fast):
                api.delete(f"/api/webhooks/{each['id']}")
