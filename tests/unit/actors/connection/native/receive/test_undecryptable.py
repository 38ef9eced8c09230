"""Messages that could not be read: asked for again, shown as a placeholder, and replaced."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from actors.connection.native.receive.stanza_handler import MAX_RETRIES
from actors.connection.protocol.receive.messages.stanza_result import StanzaResult
from actors.connection.protocol.wire_format.nodes import Node
from actors.state.messages.received import incoming, storing
from tests.unit.actors.connection.native.receiving_device import (
    CONTACT,
    CONTACT_LID,
    GROUP,
    World,
    answers_of,
    garbled,
    met,
    text,
)

if TYPE_CHECKING:
    from pathlib import Path

    from actors.state.documents import Document

PHONE = "15550100001:0@s.whatsapp.net"
"""The account's phone, by its address with a device."""


async def test_undecryptable_is_asked_for_again_until_the_bound(receiver: World) -> None:
    stanza = garbled(await receiver.message(text("lost")))
    keys = set()
    for count in range(1, MAX_RETRIES + 1):
        outcome = await receiver.take(stanza)
        assert answers_of(outcome) == [("receipt", "retry"), ("ack", None)]
        assert outcome.wanted is stanza
        (receipt,) = outcome.at_once
        asked, bundle = receipt.child("retry"), receipt.child("keys")
        assert asked is not None
        assert bundle is not None
        assert asked.attrs["count"] == str(count)
        assert bundle.bytes_of("device-identity") == b"adv"
        key = bundle.child("key")
        assert key is not None
        keys.add(key.bytes_of("value"))
    assert len(keys) == MAX_RETRIES
    assert receiver.messages() == []
    outcome = await receiver.take(stanza)
    assert (answers_of(outcome), outcome.news) == ([("ack", None)], True)
    outcome = await receiver.take(stanza)
    assert (answers_of(outcome), outcome.news) == ([("ack", None)], False)
    assert [(one.type, one.text) for one in receiver.messages()] == [("undecryptable", None)]


async def test_many_of_a_device_bring_it_the_keys_of_one_session(receiver: World) -> None:
    """One for each would push out of it the sessions that it reads this account by (G4)."""
    readable = await receiver.message(text("read"))
    lost = [garbled(await receiver.message(text("lost"))) for _ in range(4)]

    async def has_keys(stanza: Node) -> bool:
        (receipt,) = (await receiver.take(stanza)).at_once
        return receipt.child("keys") is not None

    assert [await has_keys(stanza) for stanza in lost[:3]] == [True, False, False]
    assert await has_keys(lost[1]), "asked for once more"
    await receiver.take(readable)
    assert await has_keys(lost[3]), "the device was read since"


@pytest.mark.parametrize("tries", [1, MAX_RETRIES + 1])
@pytest.mark.parametrize(
    ("attrs", "receipts"),
    [
        pytest.param({}, [], id="of a contact"),
        pytest.param({"from_": PHONE, "recipient": CONTACT}, ["sender"], id="an own copy"),
        pytest.param({"from_": GROUP, "participant": PHONE}, ["sender"], id="in a group"),
        pytest.param({"from_": PHONE, "category": "peer"}, [], id="between own devices"),
    ],
)
async def test_the_copy_of_an_own_message_gets_its_receipt_too(
    receiver: World, attrs: dict[str, str], receipts: list[str], tries: int
) -> None:
    """WhatsApp takes an ack alone for no answer there; each answer goes where the stanza came from."""
    stanza = garbled(await receiver.message(text("lost"), **attrs))
    for _ in range(tries):
        outcome = await receiver.take(stanza)
    asked = [("receipt", "retry")] if tries == 1 else []
    sent = [*asked, ("ack", None), *(("receipt", kind) for kind in receipts)]
    assert answers_of(outcome) == sent
    for answer in (*outcome.at_once, *outcome.answers):
        assert answer.attrs["to"] == stanza.attrs["from"], "with its device"
        for name in ("recipient", "participant"):
            assert answer.attrs.get(name) == stanza.attrs.get(name)


async def test_no_answer_says_more_than_is_stored_elsewhere(tmp_path: Path) -> None:
    """G5 beyond the disk: the ack waits for the placeholder or the resend, the question does not."""
    async with met(tmp_path, hold=True) as receiver:
        stanza = garbled(await receiver.message(text("late")))
        outcome = await receiver.take(stanza)
        key = receiver.session.refused.unsettled(CONTACT, CONTACT, stanza.attrs["id"])
        assert key is not None
        assert (outcome.held, len(outcome.at_once), len(outcome.answers)) == (key, 1, 1)
        assert (await receiver.take(stanza)).held == key
        await receiver.afresh()
        resent = await receiver.message(text("late"), id=stanza.attrs["id"])
        assert (await receiver.take(resent)).held == key


async def test_a_resend_in_time_leaves_no_placeholder(receiver: World) -> None:
    stanza = garbled(await receiver.message(text("late")))
    assert (await receiver.take(stanza)).counted == "message.asked_for"
    assert (receiver.session.inbox.wants(), receiver.messages()) == (True, [])
    await receiver.afresh()
    await receiver.take(await receiver.message(text("late"), id=stanza.attrs["id"]))
    assert [(one.type, one.text) for one in receiver.messages()] == [("text", "late")]
    assert not receiver.session.inbox.wants()


@pytest.mark.parametrize("shown", ["never", "waiting", "stored"])
async def test_a_resend_stands_where_the_message_first_came(receiver: World, shown: str) -> None:
    """Also within one second, and whatever time the resend bears."""
    store: dict[str, Document] = {}

    async def drain() -> None:
        messages = receiver.messages()
        for message in messages:
            write = storing(incoming("shop", asdict(message), 1.0))
            assert write.change is not None
            changed = write.change(store.get(write.id))
            store[write.id] = store[write.id] if changed is None else dict(changed)
        async with receiver.session.transaction():
            receiver.session.inbox.settle([one.key for one in messages])

    late = garbled(await receiver.message(text("first")))
    await receiver.take(late)
    await receiver.take(await receiver.message(text("second")))
    if shown != "never":
        async with receiver.session.transaction():
            receiver.incoming.abandon(late)
    if shown == "stored":
        await drain()
    await receiver.afresh()
    await receiver.take(await receiver.message(text("first"), id=late.attrs["id"], t="999"))
    await drain()
    found = sorted(store.values(), key=lambda one: float(one["at"]))
    assert [one["whatsapp_at"] for one in found] == [900, 900]
    assert [one["text"] for one in found] == ["first", "second"]


async def test_a_request_in_vain_leaves_a_placeholder_for_the_next_owner_too(
    receiver: World,
) -> None:
    """It waits in the session file: the next process shows it as well."""
    stanza = garbled(await receiver.message(text("lost")))
    await receiver.take(stanza)
    async with receiver.session.transaction():
        receiver.incoming._messages._clock = lambda: time.time() + 59
        assert not receiver.incoming.lapse(60).news
        receiver.incoming._messages._clock = lambda: time.time() + 61
        assert receiver.incoming.lapse(60).news
        assert not receiver.incoming.lapse(60).news
    (placeholder,) = receiver.messages()
    assert (placeholder.type, placeholder.at, placeholder.push_name) == (
        "undecryptable",
        900,
        "Name",
    )
    assert placeholder.message_id == stanza.attrs["id"]


async def test_a_resend_replaces_a_placeholder_that_is_stored_elsewhere_already(
    receiver: World,
) -> None:
    """Under the same document id, so that the store has one message, and it is the readable one."""
    stanza = garbled(await receiver.message(text("late")))
    await receiver.take(stanza)
    async with receiver.session.transaction():
        receiver.incoming.abandon(stanza)
    (placeholder,) = receiver.messages()
    stored = storing(incoming("shop", asdict(placeholder), 1.0))
    assert stored.change is not None
    there = stored.change(None)
    assert there is not None
    async with receiver.session.transaction():
        receiver.session.inbox.settle([placeholder.key])
    await receiver.afresh()
    await receiver.take(await receiver.message(text("late"), id=stanza.attrs["id"]))
    (message,) = receiver.messages()
    replacing = storing(incoming("shop", asdict(message), 1.0))
    assert replacing.id == stored.id
    assert replacing.change is not None
    replaced = replacing.change(dict(there))
    assert replaced is not None
    assert (replaced["text"], replaced["type"]) == ("late", "text")
    assert stored.change(dict(replaced)) is None


async def test_a_resend_replaces_the_placeholder(receiver: World) -> None:
    stanza = garbled(await receiver.message(text("late")))
    await receiver.take(stanza)
    async with receiver.session.transaction():
        assert answers_of(receiver.incoming.abandon(stanza)) == [], "it was answered when it came"
    (placeholder,) = receiver.messages()
    assert placeholder.type == "undecryptable"
    await receiver.afresh()
    resent = await receiver.message(text("late"), id=stanza.attrs["id"])
    assert (await receiver.take(resent)).news
    assert [(one.type, one.text) for one in receiver.messages()] == [("text", "late")]
    async with receiver.session.transaction():
        assert receiver.incoming.abandon(stanza) == StanzaResult("message.repeated")


async def test_a_resend_by_the_number_replaces_the_placeholder_of_the_lid(receiver: World) -> None:
    """Also one that is stored and settled: it is merged into the number's chat."""
    stanza = garbled(await receiver.message(text("late"), from_=CONTACT_LID))
    await receiver.take(stanza)
    async with receiver.session.transaction():
        receiver.incoming.abandon(stanza)
        receiver.session.inbox.settle([one.key for one in receiver.messages()])
    await receiver.afresh()
    known = {"id": stanza.attrs["id"], "sender_lid": CONTACT_LID}
    await receiver.take(await receiver.message(text("late"), **known))
    (merge,) = receiver.session.inbox.pending("merge", 10)
    assert (merge.old, merge.new) == (CONTACT_LID, CONTACT)
    assert [(one.chat, one.text) for one in receiver.messages()] == [(CONTACT, "late")]


async def test_a_failed_message_does_not_spoil_the_next_in_the_same_transaction(
    receiver: World,
) -> None:
    first = await receiver.message(text("1"))
    second = await receiver.message(text("2"))
    for stanza in (garbled(first), second):
        await receiver.incoming.prepare(stanza)
    async with receiver.session.transaction():
        await receiver.incoming.take(garbled(first))
        await receiver.incoming.take(second)
        await receiver.incoming.take(first)
    assert [one.text for one in receiver.messages()] == ["1", "2"], (
        "in the order in which they came"
    )


SKMSG, MSMSG = (Node("enc", {"v": "2", "type": kind}, b"x") for kind in ("skmsg", "msmsg"))


@pytest.mark.parametrize(
    ("attrs", "parts", "error", "stored"),
    [
        pytest.param({"from": CONTACT}, (), None, [CONTACT], id="nothing encrypted"),
        pytest.param(
            {"from": CONTACT}, (Node("unavailable"),), None, [CONTACT], id="not there any more"
        ),
        pytest.param({"from": CONTACT}, (MSMSG,), "495", [CONTACT], id="a bot's message"),
        pytest.param({"from": CONTACT}, (SKMSG,), None, [CONTACT], id="a group's key outside"),
        pytest.param({"from": "1@newsletter"}, (), None, [], id="a channel"),
        pytest.param({"from": "status@broadcast"}, (), None, [], id="a status update"),
        pytest.param({"from": "nobody"}, (SKMSG,), "487", [], id="no address"),
        pytest.param({"from": GROUP}, (SKMSG,), "487", [], id="nobody of a group"),
        pytest.param({"from": GROUP, "participant": GROUP}, (SKMSG,), "487", [], id="no person"),
    ],
)
async def test_what_cannot_be_read_is_not_asked_for_again(
    receiver: World,
    attrs: dict[str, str],
    parts: tuple[Node, ...],
    error: str | None,
    stored: list[str],
) -> None:
    """Each is answered once; what is a message of somebody leaves a placeholder."""
    outcome = await receiver.take(Node("message", {"id": "A", **attrs}, parts))
    (answer,) = outcome.answers
    assert (answer.tag, answer.attrs.get("error"), outcome.at_once) == ("ack", error, ())
    assert [(one.chat, one.type) for one in receiver.messages()] == [
        (chat, "undecryptable") for chat in stored
    ]


@pytest.mark.parametrize("poison", [b"\xff" * 9, text("x")[:-1]], ids=["no protobuf", "cut off"])
@pytest.mark.parametrize("hold", [False, True])
async def test_what_decrypts_to_no_message_is_refused_and_seen(
    tmp_path: Path, poison: bytes, hold: bool
) -> None:
    """G5: the placeholder stays, the ratchet goes on, and a resend that can be read replaces it."""
    async with met(tmp_path, hold=hold) as receiver:
        stanza = await receiver.message(poison)
        for _ in range(2):
            outcome = await receiver.take(stanza)
            (nack,) = outcome.answers
            assert (nack.attrs["class"], nack.attrs["error"]) == ("message", "491")
            (placeholder,) = receiver.messages()
            assert (placeholder.type, outcome.wanted) == ("undecryptable", None)
            assert outcome.held == (placeholder.key if hold else None)
        await receiver.take(await receiver.message(text("next")))
        await receiver.take(await receiver.message(text("better"), id=stanza.attrs["id"]))
        assert sorted(one.text or "" for one in receiver.messages()) == ["better", "next"]


@pytest.mark.parametrize(
    ("stanza", "stored"),
    [
        (Node("message", {"id": "A", "from": CONTACT}), ["undecryptable"]),
        (Node("message", {"id": "A", "from": "1@newsletter"}), []),
        (Node("receipt", {"id": "A", "from": CONTACT}), []),
    ],
)
async def test_what_the_handler_fails_at_is_refused(
    receiver: World, stanza: Node, stored: list[str]
) -> None:
    async with receiver.session.transaction():
        outcome = receiver.incoming.refuse(stanza)
    (nack,) = outcome.answers
    assert (nack.attrs["class"], nack.attrs["error"]) == (stanza.tag, "500")
    assert [one.type for one in receiver.messages()] == stored
