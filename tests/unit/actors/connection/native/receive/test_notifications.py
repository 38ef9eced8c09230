"""Changes in a session by receipts and notifications."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.native.signal.device_sessions import new_credentials
from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.receive.messages.stanza_result import StanzaResult
from actors.connection.protocol.send.to_proto import Place, write
from actors.connection.protocol.wire_format.nodes import Node
from actors.messages.content import Reaction, ReadMark, Target
from tests.unit.actors.connection.native.receiving_device import (
    ACCOUNT,
    CONTACT,
    CONTACT_LID,
    GROUP,
    answers_of,
    text,
)

OWN = "15550100001:9@s.whatsapp.net"

if TYPE_CHECKING:
    from tests.unit.actors.connection.native.receiving_device import World


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        pytest.param({"from": CONTACT}, [(CONTACT, "delivered")], id="delivered"),
        pytest.param({"from": CONTACT, "type": "read"}, [(CONTACT, "read")], id="read"),
        pytest.param(
            {"from": CONTACT_LID, "sender_pn": CONTACT}, [(CONTACT, "delivered")], id="by LID"
        ),
        pytest.param({"from": "15550100001:3@s.whatsapp.net"}, [], id="an own device"),
        pytest.param({"from": CONTACT, "type": "sender"}, [], id="kind without meaning here"),
        pytest.param({"from": GROUP, "participant": CONTACT}, [], id="a group"),
    ],
)
async def test_receipts(receiver: World, attrs: dict[str, str], expected: list[Any]) -> None:
    """G5: a receipt is in the inbox before its ack leaves."""
    outcome = await receiver.take(Node("receipt", {"id": "A", "t": "5", **attrs}))
    assert [answer.tag for answer in outcome.answers] == ["ack"]
    items = receiver.session.inbox.pending("receipt", 10)
    assert [(one.chat, one.status) for one in items] == expected
    assert outcome.news == bool(expected)


@pytest.mark.parametrize(
    "attrs",
    [
        pytest.param({"from": "nobody"}, id="no address"),
        pytest.param({"from": "nobody", "type": "retry"}, id="a question of nobody"),
        pytest.param({"from": GROUP}, id="nobody of a group"),
        pytest.param({"from": GROUP, "participant": "nobody"}, id="no member"),
    ],
)
async def test_a_receipt_of_nobody_is_refused(receiver: World, attrs: dict[str, str]) -> None:
    outcome = await receiver.take(Node("receipt", {"id": "A", "t": "5", **attrs}))
    (nack,) = outcome.answers
    assert (nack.attrs["class"], nack.attrs["error"], outcome.task) == ("receipt", "487", None)


@pytest.mark.parametrize("first", ["the copy", "the receipts"])
async def test_receipts_for_what_the_own_phone_sent(receiver: World, first: str) -> None:
    """WhatsApp sends them to every device of the account, also for messages of another one."""
    plaintext = wrappers.device_sent(text("from the phone"), CONTACT)
    copy = await receiver.message(plaintext, from_=ACCOUNT, recipient=CONTACT)
    listed = Node("list", {}, (Node("item", {"id": copy.attrs["id"]}), Node("item", {"id": "C"})))
    stanzas = [
        copy,
        Node(
            "receipt", {"id": copy.attrs["id"], "t": "901", "from": "15550100002:3@s.whatsapp.net"}
        ),
        Node("receipt", {"id": "B", "t": "905", "from": CONTACT, "type": "read"}, (listed,)),
    ]
    async with receiver.session.transaction():
        # Receipts of messages from this device are the queue's.
        receiver.session.sent.remember(CONTACT, "B", b"sent here", time.time())
    for stanza in stanzas if first == "the copy" else reversed(stanzas):
        await receiver.take(stanza)
    assert receiver.session.inbox.pending("status", 10) == []
    early = receiver.session.rows("SELECT message_id FROM inbox WHERE kind = 'early'")
    assert early == [("C",)], "nothing waits for what this device sent"
    async with receiver.session.transaction():
        receiver.session.inbox.settle([one.key for one in receiver.messages()])
    found = receiver.session.inbox.pending("status", 10)
    assert sorted((one.status, one.at) for one in found) == [("delivered", 901), ("read", 905)]
    assert {(one.chat, one.sender, one.message_id) for one in found} == {
        (CONTACT, ACCOUNT, copy.attrs["id"])
    }
    assert [one.message_ids for one in receiver.session.inbox.pending("receipt", 10)].count(
        ("B", copy.attrs["id"], "C")
    ) == 1


@pytest.mark.parametrize(
    ("attrs", "left"),
    [
        ({"type": "read-self", "from": OWN, "recipient": CONTACT}, ["B"]),
        ({"type": "read", "from": OWN, "recipient": CONTACT_LID}, ["B"]),
        ({"type": "sender", "from": OWN, "recipient": CONTACT}, ["A", "B"]),
        ({"type": "read-self", "from": OWN}, ["A", "B"]),
        ({"type": "read", "from": CONTACT}, ["A", "B"]),
        ({"type": "read-self", "from": GROUP, "participant": OWN}, ["A", "B"]),
    ],
)
async def test_what_another_own_device_read_is_not_marked_here(
    receiver: World, attrs: dict[str, str], left: list[str]
) -> None:
    async with receiver.session.transaction():
        receiver.session.learn_lid(CONTACT_LID, CONTACT)
        for number in "AB":
            receiver.session.unread.note(
                chat=CONTACT, message_id=number, origin=CONTACT, author="", at=1
            )
    outcome = await receiver.take(Node("receipt", {"id": "A", "t": "5", **attrs}))
    assert [answer.tag for answer in outcome.answers] == ["ack"]
    unread = receiver.session.unread.marked(CONTACT, ReadMark(until=1e12))
    assert [each.message_id for each in unread] == left


@pytest.mark.parametrize(
    ("plaintext", "attrs", "noted"),
    [
        (text("hi"), {}, [(CONTACT, "")]),
        (text("hi"), {"from_": f"{CONTACT_LID}", "sender_pn": CONTACT}, [(CONTACT_LID, "")]),
        (write(Reaction(Target("A", CONTACT), "+"), Place(CONTACT, CONTACT, 0.0)), {}, []),
    ],
)
async def test_what_arrives_is_unread_under_the_address_that_it_came_from(
    receiver: World, plaintext: bytes, attrs: dict[str, str], noted: list[tuple[str, str]]
) -> None:
    message = await receiver.message(plaintext, **attrs)
    for _ in range(2):
        await receiver.take(message)
    unread = receiver.session.unread.marked(CONTACT, ReadMark(until=1e12))
    assert [(each.origin, each.author) for each in unread] == noted


async def test_a_retry_receipt_is_acknowledged_after_the_resend(receiver: World) -> None:
    outcome = await receiver.take(Node("receipt", {"id": "A", "from": CONTACT, "type": "retry"}))
    assert outcome == StanzaResult("receipt.retry", task="resend")


@pytest.mark.parametrize(
    ("attrs", "child", "forgotten", "task"),
    [
        ({"type": "devices", "from": CONTACT}, Node("add"), [CONTACT], None),
        ({"type": "encrypt", "from": CONTACT}, Node("identity"), [CONTACT], None),
        ({"type": "encrypt", "from": "s.whatsapp.net"}, Node("identity"), [], None),
        ({"type": "encrypt", "from": GROUP}, Node("digest"), [], None),
        ({"type": "account_sync", "from": ACCOUNT}, Node("devices"), [ACCOUNT], None),
        ({"type": "account_sync", "from": ACCOUNT}, Node("privacy"), [], "privacy"),
        (
            {"type": "encrypt", "from": "s.whatsapp.net"},
            Node("count", {"value": "3"}),
            [],
            "prekeys",
        ),
        ({"type": "picture", "from": CONTACT}, Node("set"), [], None),
    ],
)
async def test_notifications(
    receiver: World, attrs: dict[str, str], child: Node, forgotten: list[str], task: str | None
) -> None:
    outcome = await receiver.take(Node("notification", {"id": "A", **attrs}, (child,)))
    assert answers_of(outcome) == [("ack", attrs["type"])]
    assert (receiver.lists.people, outcome.task) == (forgotten, task)


async def test_a_limit_is_on_disk_before_it_is_acknowledged(receiver: World) -> None:
    """G5. Most of mex is about channels, and is acknowledged alone."""

    def mex(said: bytes) -> Node:
        attrs = {"id": "A", "type": "mex", "from": "s.whatsapp.net"}
        return Node("notification", attrs, (Node("update", {"op_name": "Any"}, said),))

    said = b'{"data": {"xwa2_notify_account_reachout_timelock": {"is_active": %s}}}'
    outcome = await receiver.take(mex(said % b"true"))
    assert (outcome.counted, outcome.task) == ("notification.limits", "limits")
    assert answers_of(outcome) == [("ack", "mex")]
    assert receiver.session.outreach.limits().locked_until == 1060
    outcome = await receiver.take(mex(b'{"data": {"xwa2_notify_newsletter_on_join": {}}}'))
    assert (outcome.counted, outcome.task) == ("notification.ignored", None)
    assert receiver.session.outreach.limits().locked_until == 1060
    await receiver.take(mex(said % b"false"))
    assert receiver.session.outreach.limits().locked_until is None


async def test_a_lock_that_is_said_to_have_changed_is_asked_for(receiver: World) -> None:
    attrs = {"id": "A", "type": "reachout-timelock-update", "from": "s.whatsapp.net"}
    outcome = await receiver.take(Node("notification", attrs))
    assert (answers_of(outcome), outcome.task) == ([("ack", attrs["type"])], "limit_query")


async def test_a_contact_who_reinstalled_is_sent_nothing_on_dead_sessions(receiver: World) -> None:
    """Messages on their way still decrypt, bring none of them back, and the next key is believed."""
    for address in (CONTACT, "15550100002:3@s.whatsapp.net"):
        await receiver.afresh()
        await receiver.take(await receiver.message(text("before"), from_=address))
        assert receiver.signal.has_session(address)
    late = await receiver.message(text("late"), from_=address)
    notice = Node(
        "notification", {"id": "A", "from": CONTACT, "type": "encrypt"}, (Node("identity"),)
    )
    outcome = await receiver.take(notice)
    assert outcome.counted == "notification.identity"
    await receiver.take(late)
    for address in (CONTACT, "15550100002:3@s.whatsapp.net"):
        assert not receiver.signal.has_session(address)
        assert receiver.session.keys.identity(address) is None
    assert [one.text for one in receiver.messages()] == ["before", "before", "late"]
    async with receiver.other.transaction():
        receiver.other.credentials.save(new_credentials())
    await receiver.afresh()
    await receiver.take(await receiver.message(text("after")))
    assert receiver.signal.has_session(CONTACT)
    theirs = receiver.other.credentials.read()
    assert theirs is not None
    assert receiver.session.keys.identity(CONTACT) == theirs.identity_public
