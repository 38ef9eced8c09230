"""What stanzas change in a session; the sender is a second session of the same code."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.connection.native import content
from actors.connection.native.addresses import Address
from actors.connection.native.agreement import Bundle
from actors.connection.native.incoming import MAX_RETRIES, Incoming, Outcome
from actors.connection.native.nodes import Node, proto
from actors.connection.native.people import People
from actors.connection.native.signal import Signal, new_credentials
from actors.connection.session import Session
from actors.state.messages import incoming, storing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from actors.connection.engine import InboxMessage
    from actors.connection.native.devices import Devices

ACCOUNT = "15550100001@s.whatsapp.net"
DEVICE = "15550100001:4@s.whatsapp.net"
CONTACT = "15550100002@s.whatsapp.net"
CONTACT_LID = "90000000000002@lid"
GROUP = "120363000000000001@g.us"


class Forgotten:
    """Stands for the device lists: it only counts who is forgotten."""

    def __init__(self) -> None:
        self.people: list[str] = []

    def forget(self, person: Address) -> None:
        self.people.append(str(person))


class World:
    def __init__(self, session: Session, other: Session) -> None:
        self.session, self.other = session, other
        self.signal, self.other_signal = Signal(session), Signal(other)
        self.lists = Forgotten()
        people = People(session, Address.parse(DEVICE), Address.parse("90000000000001:4@lid"))
        devices = cast("Devices", self.lists)
        self.incoming = Incoming(session, self.signal, people, devices, lambda: 1000.0)
        self.number = 0

    async def meet(self) -> None:
        """Both have credentials, and the other one has a session with the device."""
        own = replace(new_credentials(), account=ACCOUNT, device=DEVICE, device_identity=b"adv")
        async with self.other.transaction():
            self.other.save_credentials(new_credentials())
        async with self.session.transaction():
            self.session.save_credentials(own)
        await self.afresh()

    async def afresh(self) -> None:
        own = self.session.credentials()
        assert own is not None
        async with self.session.transaction():
            ((number, public),) = self.signal.make_prekeys(1)
        key = own.signed_prekey
        bundle = Bundle(
            own.registration_id,
            own.identity_public,
            key.id,
            key.public,
            key.signature,
            number,
            public,
        )
        async with self.other.transaction():
            await self.other_signal.establish(DEVICE, bundle)

    async def message(self, plaintext: bytes, **attrs: str) -> Node:
        self.number += 1
        async with self.other.transaction():
            kind, data = await self.other_signal.encrypt(DEVICE, content.pad(plaintext))
        named = {"id": f"3EB0{self.number:018X}", "from": CONTACT, "t": "900", "notify": "Name"}
        routing = {key.replace("from_", "from"): value for key, value in attrs.items()}
        return Node("message", {**named, **routing}, (Node("enc", {"v": "2", "type": kind}, data),))

    async def take(self, stanza: Node) -> Outcome:
        async with self.session.transaction():
            return await self.incoming.take(stanza)

    def messages(self) -> list[InboxMessage]:
        return self.session.pending("message", 100)


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[tuple[Session, Session]]:
    with (
        closing(Session.open(tmp_path / "own.db", 1)) as session,
        closing(Session.open(tmp_path / "other.db", 1)) as other,
    ):
        yield session, other


@pytest.fixture
async def world(sessions: tuple[Session, Session]) -> World:
    made = World(*sessions)
    await made.meet()
    return made


def text(words: str) -> bytes:
    return content.text_message(words, chat=CONTACT)


def garbled(stanza: Node) -> Node:
    (enc,) = stanza.children("enc")
    data = enc.data[:-4] + bytes(4)
    return Node(stanza.tag, stanza.attrs, (Node("enc", enc.attrs, data),))


def told(outcome: Outcome) -> list[tuple[str, str | None]]:
    return [(answer.tag, answer.attrs.get("type")) for answer in outcome.answers]


async def test_a_message_is_stored_once_and_acknowledged_each_time(world: World) -> None:
    """G5: the second time it is not decrypted, and the tombstone answers after settling, too."""
    stanza = await world.message(text("hi"))
    first = await world.take(stanza)
    assert (told(first), first.news) == ([("ack", None), ("receipt", None)], True)
    (message,) = world.messages()
    assert (message.text, message.at, message.push_name) == ("hi", 900, "Name")
    async with world.session.transaction():
        world.session.settle([message.key])
    again = await world.take(garbled(stanza))
    assert (again.answers, again.news) == (first.answers, False)
    assert world.messages() == []


async def test_a_message_by_lid_is_the_persons_under_the_phone_number(world: World) -> None:
    for n, attrs in enumerate(
        (
            {"from_": CONTACT_LID, "sender_pn": CONTACT},
            {"from_": CONTACT_LID},
            {"from_": CONTACT, "sender_lid": CONTACT_LID},
        )
    ):
        await world.take(await world.message(text(f"{n}"), **attrs))
    assert [(one.chat, one.sender, one.text) for one in world.messages()] == [
        (CONTACT, CONTACT, f"{n}") for n in range(3)
    ]


async def test_what_came_by_lid_is_the_phone_numbers_once_that_is_known(world: World) -> None:
    """One session, one conversation, one tombstone, whichever address a message comes by."""
    first = await world.message(text("unknown"), from_=CONTACT_LID)
    lost = garbled(await world.message(text("lost"), from_=CONTACT_LID))
    await world.take(first)
    await world.take(lost)
    assert [one.chat for one in world.messages()] == [CONTACT_LID]
    await world.take(await world.message(text("known"), from_=CONTACT_LID, sender_pn=CONTACT))
    assert [(one.chat, one.sender, one.text) for one in world.messages()] == [
        (CONTACT, CONTACT, "unknown"),
        (CONTACT, CONTACT, "known"),
    ]
    for address in (CONTACT, CONTACT_LID):
        again = Node("message", {**first.attrs, "from": address}, first.content)
        assert (await world.take(again)).counted == "message.repeated"
    await world.afresh()
    resent = await world.message(text("lost"), id=lost.attrs["id"])
    assert (await world.take(resent)).news
    assert not world.session.wants()
    assert [one.text for one in world.messages()] == ["unknown", "known", "lost"]


@pytest.mark.parametrize(
    "attrs",
    [
        pytest.param({"recipient": CONTACT}, id="recipient in the stanza"),
        pytest.param({}, id="destination in the message only"),
    ],
)
async def test_what_the_own_phone_sent(world: World, attrs: dict[str, str]) -> None:
    plaintext = content.device_sent(text("from the phone"), CONTACT)
    stanza = await world.message(plaintext, from_=ACCOUNT, **attrs)
    outcome = await world.take(stanza)
    assert told(outcome) == [("ack", None), ("receipt", "sender")]
    (message,) = world.messages()
    assert (message.chat, message.sender, message.from_me) == (CONTACT, ACCOUNT, True)
    assert (await world.take(garbled(stanza))).news is False
    assert len(world.messages()) == 1


async def test_a_note_to_self(world: World) -> None:
    stanza = await world.message(content.device_sent(text("note"), ACCOUNT), from_=ACCOUNT)
    await world.take(stanza)
    assert [(one.chat, one.text, one.from_me) for one in world.messages()] == [
        (ACCOUNT, "note", True)
    ]


async def test_a_message_for_the_protocol_leaves_a_tombstone_only(world: World) -> None:
    plaintext = proto.Message(protocolMessage={"type": 5}).SerializeToString()
    stanza = await world.message(plaintext, from_=ACCOUNT, category="peer")
    outcome = await world.take(stanza)
    assert (told(outcome), outcome.news) == ([("ack", None), ("receipt", "peer_msg")], False)
    assert world.messages() == []
    assert told(await world.take(garbled(stanza))) == told(outcome)


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


@pytest.mark.parametrize("tag", ["notification", "call"])
async def test_whatever_says_whose_a_lid_is_lets_its_chat_be_merged(world: World, tag: str) -> None:
    await world.take(await world.message(text("unknown"), from_=CONTACT_LID))
    saying = Node(tag, {"id": "A", "from": CONTACT, "sender_lid": CONTACT_LID, "type": "other"})
    assert (await world.take(saying)).news
    assert len(world.session.pending("merge", 10)) == 1
    assert not (await world.take(saying)).news


async def test_a_failed_message_does_not_spoil_the_next_in_the_same_transaction(
    world: World,
) -> None:
    first = await world.message(text("1"))
    second = await world.message(text("2"))
    async with world.session.transaction():
        await world.incoming.take(garbled(first))
        await world.incoming.take(second)
        await world.incoming.take(first)
    assert [one.text for one in world.messages()] == ["2", "1"]


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
async def test_receipts(world: World, attrs: dict[str, str], expected: list[Any]) -> None:
    """G5: a receipt is in the inbox before its ack leaves."""
    outcome = await world.take(Node("receipt", {"id": "A", "t": "5", **attrs}))
    assert [answer.tag for answer in outcome.answers] == ["ack"]
    items = world.session.pending("receipt", 10)
    assert [(one.chat, one.status) for one in items] == expected
    assert outcome.news == bool(expected)


@pytest.mark.parametrize("t", ["9" * 20, "9" * 5000, "²", "-1", "nonsense"])
async def test_a_time_that_is_none_is_the_time_of_arrival(world: World, t: str) -> None:
    """SQLite takes 64 bits: what it refuses would come again at each login."""
    assert (await world.take(Node("receipt", {"id": "A", "t": t, "from": CONTACT}))).news
    assert (await world.take(await world.message(text("x"), t=t))).news
    assert [one.at for one in world.session.pending("receipt", 10)] == [1000]
    assert [one.at for one in world.messages()] == [1000]


async def test_a_retry_receipt_is_acknowledged_after_the_resend(world: World) -> None:
    outcome = await world.take(Node("receipt", {"id": "A", "from": CONTACT, "type": "retry"}))
    assert outcome == Outcome("receipt.retry", task="resend")


@pytest.mark.parametrize(
    ("attrs", "child", "forgotten", "task"),
    [
        ({"type": "devices", "from": CONTACT}, Node("add"), [CONTACT], None),
        ({"type": "encrypt", "from": CONTACT}, Node("identity"), [CONTACT], None),
        ({"type": "encrypt", "from": "s.whatsapp.net"}, Node("identity"), [], None),
        ({"type": "encrypt", "from": GROUP}, Node("digest"), [], None),
        ({"type": "account_sync", "from": ACCOUNT}, Node("devices"), [ACCOUNT], None),
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
    world: World, attrs: dict[str, str], child: Node, forgotten: list[str], task: str | None
) -> None:
    outcome = await world.take(Node("notification", {"id": "A", **attrs}, (child,)))
    assert told(outcome) == [("ack", attrs["type"])]
    assert (world.lists.people, outcome.task) == (forgotten, task)


@pytest.mark.parametrize("tag", ["message", "receipt", "notification", "call"])
@pytest.mark.parametrize("attrs", [{}, {"id": "A"}, {"from": CONTACT}])
async def test_what_an_ack_cannot_name_is_dropped(
    world: World, tag: str, attrs: dict[str, str]
) -> None:
    assert await world.take(Node(tag, attrs)) == Outcome("stanza.nameless")


async def test_a_contact_who_reinstalled_is_sent_nothing_on_dead_sessions(world: World) -> None:
    """What is on its way still decrypts, brings none of them back, and the next key is believed."""
    for address in (CONTACT, "15550100002:3@s.whatsapp.net"):
        await world.afresh()
        await world.take(await world.message(text("before"), from_=address))
        assert world.signal.has_session(address)
    late = await world.message(text("late"), from_=address)
    notice = Node(
        "notification", {"id": "A", "from": CONTACT, "type": "encrypt"}, (Node("identity"),)
    )
    outcome = await world.take(notice)
    assert outcome.counted == "notification.identity"
    await world.take(late)
    for address in (CONTACT, "15550100002:3@s.whatsapp.net"):
        assert not world.signal.has_session(address)
        assert world.session.identity(address) is None
    assert [one.text for one in world.messages()] == ["before", "before", "late"]
    async with world.other.transaction():
        world.other.save_credentials(new_credentials())
    await world.afresh()
    await world.take(await world.message(text("after")))
    assert world.signal.has_session(CONTACT)
    assert world.session.identity(CONTACT) == world.other.credentials().identity_public  # type: ignore[union-attr]


async def test_a_call_is_acknowledged(world: World) -> None:
    assert told(await world.take(Node("call", {"id": "A", "from": CONTACT}))) == [("ack", None)]
