"""Messages that could not be read: asked for again, shown as a placeholder, and replaced."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from actors.connection.native.incoming import MAX_RETRIES, Outcome
from actors.connection.native.nodes import Node
from actors.state.messages import incoming, storing
from tests.unit.actors.connection.native.receiving import (
    CONTACT,
    CONTACT_LID,
    GROUP,
    World,
    garbled,
    met,
    text,
    told,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.state.documents import Document


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with met(tmp_path) as made:
        yield made


async def test_undecryptable_is_asked_for_again_until_the_bound(world: World) -> None:
    stanza = garbled(await world.message(text("lost")))
    keys = set()
    for count in range(1, MAX_RETRIES + 1):
        outcome = await world.take(stanza)
        assert told(outcome) == [("receipt", "retry")]
        assert outcome.wanted is stanza
        (receipt,) = outcome.answers
        asked, bundle = receipt.child("retry"), receipt.child("keys")
        assert asked is not None
        assert bundle is not None
        assert asked.attrs["count"] == str(count)
        assert bundle.bytes_of("device-identity") == b"adv"
        key = bundle.child("key")
        assert key is not None
        keys.add(key.bytes_of("value"))
    assert len(keys) == MAX_RETRIES
    assert world.messages() == []
    outcome = await world.take(stanza)
    assert (told(outcome), outcome.news) == ([("ack", None)], True)
    outcome = await world.take(stanza)
    assert (told(outcome), outcome.news) == ([("ack", None)], False)
    assert [(one.type, one.text) for one in world.messages()] == [("undecryptable", None)]


async def test_a_resend_in_time_leaves_no_placeholder(world: World) -> None:
    stanza = garbled(await world.message(text("late")))
    assert (await world.take(stanza)).counted == "message.asked_for"
    assert (world.session.wants(), world.messages()) == (True, [])
    await world.afresh()
    await world.take(await world.message(text("late"), id=stanza.attrs["id"]))
    assert [(one.type, one.text) for one in world.messages()] == [("text", "late")]
    assert not world.session.wants()


@pytest.mark.parametrize("shown", ["never", "waiting", "stored"])
async def test_a_resend_stands_where_the_message_first_came(world: World, shown: str) -> None:
    """Also within one second, and whatever time the resend bears."""
    store: dict[str, Document] = {}

    async def drain() -> None:
        messages = world.messages()
        for message in messages:
            write = storing(incoming("shop", asdict(message), 1.0))
            assert write.change is not None
            changed = write.change(store.get(write.id))
            store[write.id] = store[write.id] if changed is None else dict(changed)
        async with world.session.transaction():
            world.session.settle([one.key for one in messages])

    late = garbled(await world.message(text("first")))
    await world.take(late)
    await world.take(await world.message(text("second")))
    if shown != "never":
        async with world.session.transaction():
            world.incoming.give_up(late)
    if shown == "stored":
        await drain()
    await world.afresh()
    await world.take(await world.message(text("first"), id=late.attrs["id"], t="999"))
    await drain()
    found = sorted(store.values(), key=lambda one: float(one["at"]))
    assert [int(one["at"]) for one in found] == [900, 900]
    if shown != "waiting":  # it may be on its way to the store: another row, and a later place
        assert [one["text"] for one in found] == ["first", "second"]


async def test_a_question_in_vain_leaves_a_placeholder_whoever_asked(world: World) -> None:
    """It waits in the session file: the next process shows it as well."""
    stanza = garbled(await world.message(text("lost")))
    await world.take(stanza)
    async with world.session.transaction():
        world.incoming._clock = lambda: time.time() + 59
        assert not world.incoming.lapse(60).news
        world.incoming._clock = lambda: time.time() + 61
        assert world.incoming.lapse(60).news
        assert not world.incoming.lapse(60).news
    (placeholder,) = world.messages()
    assert (placeholder.type, placeholder.at, placeholder.push_name) == (
        "undecryptable",
        900,
        "Name",
    )
    assert placeholder.message_id == stanza.attrs["id"]


async def test_a_resend_replaces_a_placeholder_that_is_stored_elsewhere_already(
    world: World,
) -> None:
    """Under the same document id, so that the store has one message, and it is the readable one."""
    stanza = garbled(await world.message(text("late")))
    await world.take(stanza)
    async with world.session.transaction():
        world.incoming.give_up(stanza)
    (placeholder,) = world.messages()
    stored = storing(incoming("shop", asdict(placeholder), 1.0))
    assert stored.change is not None
    there = stored.change(None)
    assert there is not None
    async with world.session.transaction():
        world.session.settle([placeholder.key])
    await world.afresh()
    await world.take(await world.message(text("late"), id=stanza.attrs["id"]))
    (message,) = world.messages()
    replacing = storing(incoming("shop", asdict(message), 1.0))
    assert replacing.id == stored.id
    assert replacing.change is not None
    replaced = replacing.change(dict(there))
    assert replaced is not None
    assert (replaced["text"], replaced["type"]) == ("late", "text")
    assert stored.change(dict(replaced)) is None


async def test_a_resend_replaces_the_placeholder(world: World) -> None:
    stanza = garbled(await world.message(text("late")))
    await world.take(stanza)
    async with world.session.transaction():
        assert told(world.incoming.give_up(stanza)) == [("ack", None)]
    (placeholder,) = world.messages()
    assert placeholder.type == "undecryptable"
    await world.afresh()
    resent = await world.message(text("late"), id=stanza.attrs["id"])
    assert (await world.take(resent)).news
    assert [(one.type, one.text) for one in world.messages()] == [("text", "late")]
    async with world.session.transaction():
        assert world.incoming.give_up(stanza) == Outcome("message.repeated")


async def test_a_resend_by_the_number_replaces_the_placeholder_of_the_lid(world: World) -> None:
    """Also one that is stored and settled: it is merged into the number's chat."""
    stanza = garbled(await world.message(text("late"), from_=CONTACT_LID))
    await world.take(stanza)
    async with world.session.transaction():
        world.incoming.give_up(stanza)
        world.session.settle([one.key for one in world.messages()])
    await world.afresh()
    known = {"id": stanza.attrs["id"], "sender_lid": CONTACT_LID}
    await world.take(await world.message(text("late"), **known))
    (merge,) = world.session.pending("merge", 10)
    assert (merge.old, merge.new) == (CONTACT_LID, CONTACT)
    assert [(one.chat, one.text) for one in world.messages()] == [(CONTACT, "late")]


async def test_a_failed_message_does_not_spoil_the_next_in_the_same_transaction(
    world: World,
) -> None:
    first = await world.message(text("1"))
    second = await world.message(text("2"))
    async with world.session.transaction():
        await world.incoming.take(garbled(first))
        await world.incoming.take(second)
        await world.incoming.take(first)
    assert [one.text for one in world.messages()] == ["1", "2"], "in the order in which they came"


@pytest.mark.parametrize(
    ("attrs", "enc", "stored"),
    [
        pytest.param({"from": CONTACT}, (), [CONTACT], id="nothing encrypted for this device"),
        pytest.param(
            {"from": GROUP, "participant": CONTACT},
            (Node("enc", {"v": "2", "type": "skmsg"}, b"x"),),
            [GROUP],
            id="a group's key",
        ),
        pytest.param({"from": "1@newsletter"}, (), [], id="a channel"),
        pytest.param({"from": "status@broadcast"}, (), [], id="a status update"),
        pytest.param({"from": "nobody"}, (), [], id="no address"),
    ],
)
async def test_what_cannot_be_read_is_not_asked_for_again(
    world: World, attrs: dict[str, str], enc: tuple[Node, ...], stored: list[str]
) -> None:
    outcome = await world.take(Node("message", {"id": "A", **attrs}, enc))
    assert told(outcome) == [("ack", None)]
    assert [(one.chat, one.type) for one in world.messages()] == [
        (chat, "undecryptable") for chat in stored
    ]
