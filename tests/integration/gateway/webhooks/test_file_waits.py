"""A webhook that waits for files gets a message together with its file, in the order of the chat."""

from __future__ import annotations

import base64
import hashlib
import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.messages.content import Delete, File, Image, Target, encode
from actors.state.documents import WEBHOOKS
from actors.state.messages.applied_changes import noting
from actors.state.messages.file_states import settling
from actors.state.messages.received import incoming, storing
from gateway.webhooks import chat_lanes
from tests.integration.gateway.served import SHOP
from tests.integration.gateway.webhooks.deliveries.single_worker import ID
from tests.integration.gateway.webhooks.stored_messages import (
    SOON,
    arrived,
    chat_of,
    received,
    store_messages,
)
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.state.documents import Write
    from tests.integration.gateway.receiver import Receiver
    from tests.integration.gateway.webhooks.deliveries.single_worker import SingleWorker

LONG = 300
"""Seconds that no test waits."""
DATA = b"a picture of a cat" * 5000
CAT = hashlib.sha256(DATA).hexdigest()


async def waiting(
    delivering: SingleWorker, receiver: Receiver, wait: int = LONG, limit: int | None = None
) -> None:
    """A webhook for messages that waits for their files."""
    await delivering.add(receiver, events=("message.received",))
    files = {"media_wait": wait, "base64_limit": limit}
    await delivering.documents.set(WEBHOOKS, ID, files, merge=True)


def picture(number: int, sha256: str = CAT) -> Write:
    """The write that stores a message of the contact of this number, whose file is to come."""
    file = File(sha256, len(DATA), "image/png")
    item = received(number, chat=chat_of(number))
    item |= {"type": "image", "content": encode(Image(file, item["text"]))}
    return storing(incoming(SHOP, item, time.time()))


def ended(number: int, status: str = "stored", error: str | None = None) -> Write:
    item = received(number, chat=chat_of(number))
    return settling(SHOP, {**item, "status": status, "error": error}, time.time())


def media(receiver: Receiver, number: int) -> dict[str, Any]:
    *_, event = (each for each in receiver.taken if each["data"]["text"] == f"text {number}")
    found: dict[str, Any] = event["data"]["media"]
    return found


async def test_a_message_comes_with_its_file_and_only_its_chat_waits(
    delivering: SingleWorker, receiver: Receiver
) -> None:
    """Also across a worker that dies meanwhile."""
    await waiting(delivering, receiver)
    documents = delivering.documents
    await documents.batch([picture(1), picture(2)])
    behind = received(3, chat=chat_of(1))
    await documents.batch([storing(incoming(SHOP, behind, time.time()))])
    async with delivering.worker(saves=False):
        others = await store_messages(documents, 4, 2)
        await arrived(receiver, others)
        assert set(receiver.texts) == set(others)
    async with delivering.worker():
        await documents.batch([ended(1, "deferred", "disk_reserve")])
        await documents.batch([ended(2, "failed", "media_gone")])
        await arrived(receiver, ["text 2"])
        assert "text 1" not in receiver.texts
        await documents.batch([ended(1)])
        await arrived(receiver, ["text 1", "text 3"])
    assert receiver.texts.index("text 1") < receiver.texts.index("text 3")
    assert (media(receiver, 1)["state"], media(receiver, 1)["base64"]) == ("stored", None)
    assert (media(receiver, 2)["state"], media(receiver, 2)["error"]) == ("failed", "media_gone")


async def test_a_file_that_does_not_come_holds_its_message_up_to_the_bound(
    delivering: SingleWorker, receiver: Receiver
) -> None:
    await waiting(delivering, receiver, 1)
    await delivering.documents.batch([picture(1)])
    async with delivering.worker():
        await arrived(receiver, ["text 1"])
    assert media(receiver, 1)["state"] == "pending"


async def test_a_message_that_is_deleted_waits_for_no_file(
    delivering: SingleWorker, receiver: Receiver
) -> None:
    await waiting(delivering, receiver)
    chat, number = chat_of(1), received(1)["message_id"]
    taken_back = noting(
        *(SHOP, chat, Delete(Target(number, chat))),
        who=chat,
        at=time.time(),
        message_id="DELETE",
        news=True,
    )
    async with delivering.worker():
        await delivering.documents.batch([picture(1)])
        await arrived(receiver, await store_messages(delivering.documents, 4))
        assert "text 1" not in receiver.texts
        await delivering.documents.batch([taken_back])
        await arrived(receiver, ["text 1"])
    assert media(receiver, 1)["state"] == "pending"


async def test_more_chats_than_memory_has_room_for_wait_and_others_go_on(
    delivering: SingleWorker, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_lanes, "WAITING_EVENTS", 10)
    await waiting(delivering, receiver)
    documents = delivering.documents
    numbers = range(1, 31)
    await documents.batch([picture(number) for number in numbers])
    later = [received(number + 30, chat=chat_of(number)) for number in numbers]
    await documents.batch([storing(incoming(SHOP, each, time.time())) for each in later])
    async with delivering.worker(saves=False):
        others = await store_messages(documents, 100, 12)
        await arrived(receiver, others)
        assert set(receiver.texts) == set(others)
        await documents.batch([ended(number) for number in numbers if number % 2])
        wanted = [f"text {number + more}" for number in numbers if number % 2 for more in (0, 30)]
        await arrived(receiver, wanted)
    async with delivering.worker():
        await documents.batch([ended(number) for number in numbers])
        await arrived(receiver, [f"text {number}" for number in range(1, 61)])
    assert receiver.in_order
    assert {media(receiver, number)["state"] for number in numbers} == {"stored"}


@pytest.mark.parametrize(
    ("limit", "sha256", "omitted"),
    [(len(DATA), CAT, None), (len(DATA) - 1, CAT, "too_large"), (10**6, "ab" * 32, "unavailable")],
    ids=["it fits", "it is larger", "it is not there"],
)
async def test_a_file_comes_as_base64_where_it_fits(
    delivering: SingleWorker, receiver: Receiver, limit: int, sha256: str, omitted: str | None
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield DATA

    await delivering.files.add_upload(chunks(), limit=len(DATA), units=[SHOP])
    await waiting(delivering, receiver, limit=limit)
    receiver.answer = lambda _: None if receiver.refused else 500
    await delivering.documents.batch([picture(1, sha256), ended(1)])
    async with delivering.worker():
        await eventually("it is tried twice", lambda: len(receiver.taken) == 1, SOON)
    assert receiver.forged == 0
    found = media(receiver, 1)
    assert found["base64_omitted"] == omitted
    given = None if found["base64"] is None else base64.b64decode(found["base64"])
    assert given == (DATA if omitted is None else None)
    assert receiver.refused[0]["data"]["media"] == found, "an attempt has what the one before had"
